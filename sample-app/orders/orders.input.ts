import { z } from 'zod';
import { id } from '../input.js';

const item = z.strictObject({ productId: id, quantity: z.int().min(1).max(1_000) });

/** `POST /orders` */
export const newOrder = z.strictObject({
  userId: id,
  items: z
    .array(item)
    .min(1)
    .max(100)
    .superRefine((items, context) => {
      const seen = new Set<number>();
      for (const [index, { productId }] of items.entries()) {
        if (seen.has(productId)) {
          context.addIssue({
            code: 'custom',
            path: [index, 'productId'],
            message: `Invalid input: product ${productId} is listed twice`,
          });
        }
        seen.add(productId);
      }
    }),
});
export type NewOrder = z.infer<typeof newOrder>;
