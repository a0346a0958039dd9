import { z } from 'zod';
import { digits, text } from '../input.js';

const category = text(50);

/** `GET /products?category=books&limit=20` */
export const productFilter = z.strictObject({
  category: category.optional(),
  limit: digits.pipe(z.int().min(1).max(100)).default(20),
});
export type ProductFilter = z.infer<typeof productFilter>;

/** `POST /products` */
export const newProduct = z.strictObject({
  name: text(200),
  category,
  price: z.number().min(0).max(1_000_000).multipleOf(0.01),
  stock: z.int().min(0).max(1_000_000).default(0),
});
export type NewProduct = z.infer<typeof newProduct>;
