import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { PgCluster, UseMaster } from 'nestjs-pg-mcp';
import { untilReplicated } from './until-replicated.js';

const CATEGORIES =
  'books cameras clothing furniture games garden kitchen lamps music shoes sport tools'.split(' ');
const USERS = 1_000;
const PRODUCTS = 10_000;

/** Any number will do that no other use of the database locks. */
const LOCK = 20_250_301;

/** Creates what is missing of the tables, and fills them if they are empty. */
@Injectable()
export class Seed implements OnApplicationBootstrap {
  constructor(private readonly cluster: PgCluster) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.run();
    await untilReplicated(this.cluster);
  }

  @UseMaster({ transaction: true })
  async run(): Promise<void> {
    // Of two instances that start at once one waits here for the other's COMMIT.
    await this.cluster.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    await this.cluster.query(`
      CREATE TABLE IF NOT EXISTS users (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        email text NOT NULL UNIQUE,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE TABLE IF NOT EXISTS products (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        category text NOT NULL,
        price numeric(9, 2) NOT NULL CHECK (price >= 0),
        stock integer NOT NULL CHECK (stock >= 0)
      );
      CREATE INDEX IF NOT EXISTS products_by_category ON products (category, id);
      CREATE TABLE IF NOT EXISTS orders (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id integer NOT NULL REFERENCES users,
        total numeric(14, 2) NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE TABLE IF NOT EXISTS order_items (
        order_id integer NOT NULL REFERENCES orders,
        product_id integer NOT NULL REFERENCES products,
        quantity integer NOT NULL CHECK (quantity > 0),
        price numeric(9, 2) NOT NULL,
        PRIMARY KEY (order_id, product_id)
      );
    `);
    await this.cluster.query(
      `INSERT INTO users (name, email)
       SELECT 'User ' || n, 'user' || n || '@example.com'
       FROM generate_series(1, $1::int) AS n
       WHERE NOT EXISTS (SELECT FROM users)`,
      [USERS],
    );
    await this.cluster.query(
      `INSERT INTO products (name, category, price, stock)
       SELECT initcap(category) || ' no. ' || n, category, (99 + n * 7919 % 20000) / 100.0, n * 31 % 200
       FROM generate_series(1, $1::int) AS n, LATERAL (SELECT ($2::text[])[1 + n % cardinality($2)]) AS c (category)
       WHERE NOT EXISTS (SELECT FROM products)`,
      [PRODUCTS, CATEGORIES],
    );
  }
}
