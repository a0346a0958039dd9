import { z } from 'zod';

/** The largest `integer` of PostgreSQL. */
const MAX_INTEGER = 2_147_483_647;

/** An id in a JSON body. */
export const id = z.int().min(1).max(MAX_INTEGER);

/** A number in a path or a query, where everything is text. */
export const digits = z.string().regex(/^\d+$/, 'Invalid input: expected a whole number').transform(Number);

/** `/users/:id` */
export const byId = z.object({ id: digits.pipe(id) });
export type ById = z.infer<typeof byId>;

/** Text that PostgreSQL can store: it knows no NUL character. */
export const text = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .refine((value) => !value.includes('\0'), 'Invalid input: expected no NUL character');
