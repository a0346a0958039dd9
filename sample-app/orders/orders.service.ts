import { ConflictException, Injectable, NotFoundException } from '@nestjs/common';
import { PgCluster, UseMaster } from 'nestjs-pg-mcp';
import type { NewOrder } from './orders.input.js';

export interface Order {
  readonly id: number;
  readonly userId: number;
  readonly total: number;
  readonly createdAt: Date;
  readonly items: readonly OrderItem[];
}

export interface OrderItem {
  readonly productId: number;
  readonly quantity: number;
  readonly price: number;
}

type WantedItems = NewOrder['items'];

/** The wanted items as a table, from an array of product ids and one of quantities. */
const WANTED = 'unnest($1::int[], $2::int[]) AS wanted (product_id, quantity)';

@Injectable()
export class OrdersService {
  constructor(private readonly cluster: PgCluster) {}

  /**
   * All or nothing: what is thrown here rolls the transaction back.
   *
   * @throws NotFoundException for an unknown user or product.
   * @throws ConflictException that names each product of which too few are left.
   */
  @UseMaster({ transaction: true })
  async place({ userId, items }: NewOrder): Promise<Order> {
    await this.#requireUser(userId);
    await this.#lockStock(items);
    const wanted = [items.map(({ productId }) => productId), items.map(({ quantity }) => quantity)];
    await this.cluster.query(
      `UPDATE products SET stock = stock - quantity FROM ${WANTED} WHERE products.id = product_id`,
      wanted,
    );
    const { rows: orders } = await this.cluster.query<Omit<Order, 'items'>>(
      `INSERT INTO orders (user_id, total)
       SELECT $3, sum(price * quantity) FROM ${WANTED} JOIN products ON products.id = product_id
       RETURNING id, user_id AS "userId", total::float8 AS total, created_at AS "createdAt"`,
      [...wanted, userId],
    );
    const [order] = orders;
    if (!order) throw new Error('an INSERT ... RETURNING returned no row');
    const { rows: ordered } = await this.cluster.query<OrderItem>(
      `INSERT INTO order_items (order_id, product_id, quantity, price)
       SELECT $3, product_id, quantity, price FROM ${WANTED} JOIN products ON products.id = product_id
       RETURNING product_id AS "productId", quantity, price::float8 AS price`,
      [...wanted, order.id],
    );
    return { ...order, items: ordered };
  }

  /** Nothing decorates it: a replica serves it, unless who asks has just ordered and no replica knows of it yet. */
  async find(id: number): Promise<Order | undefined> {
    const { rows } = await this.cluster.query<Order>(
      `SELECT id, user_id AS "userId", total::float8 AS total, created_at AS "createdAt",
         ARRAY(
           SELECT jsonb_build_object('productId', product_id, 'quantity', quantity, 'price', price)
           FROM order_items WHERE order_id = orders.id ORDER BY product_id
         ) AS items
       FROM orders WHERE id = $1`,
      [id],
    );
    return rows[0];
  }

  async #requireUser(id: number): Promise<void> {
    const { rows } = await this.cluster.query('SELECT FROM users WHERE id = $1', [id]);
    if (rows.length === 0) throw new NotFoundException(`there is no user ${id}`);
  }

  /** Nobody else can take of these products until the transaction ends. */
  async #lockStock(items: WantedItems): Promise<void> {
    // In the order of their ids: two orders that lock the same products in two orders would deadlock.
    const { rows } = await this.cluster.query<{ id: number; stock: number }>(
      'SELECT id, stock FROM products WHERE id = ANY ($1::int[]) ORDER BY id FOR UPDATE',
      [items.map(({ productId }) => productId)],
    );
    const stock = new Map(rows.map((product) => [product.id, product.stock]));
    const unknown = items.filter(({ productId }) => !stock.has(productId)).map(({ productId }) => productId);
    if (unknown.length > 0) throw new NotFoundException(`there is no product ${unknown.join(', ')}`);
    const shortages = items
      .map(({ productId, quantity }) => ({ productId, wanted: quantity, left: stock.get(productId) ?? 0 }))
      .filter(({ wanted, left }) => wanted > left);
    if (shortages.length > 0) throw notEnough(shortages);
  }
}

interface Shortage {
  readonly productId: number;
  readonly wanted: number;
  readonly left: number;
}

function notEnough(shortages: readonly Shortage[]): ConflictException {
  const message = shortages.map(
    ({ productId, wanted, left }) => `product ${productId}: ${wanted} wanted, ${left} left`,
  );
  return new ConflictException({ statusCode: 409, error: 'Conflict', message, shortages });
}
