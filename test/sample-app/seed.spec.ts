import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PgCluster, PgMcpModule } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Seed } from '../../sample-app/seed.js';
import { freshDatabase } from '../support/cluster.js';

let app: INestApplicationContext;

beforeAll(async () => {
  const { config } = await freshDatabase();
  const module = { imports: [PgMcpModule.forRoot({ config })], providers: [Seed] };
  app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
});

afterAll(() => app.close());

it('fills an empty database once, however many instances start at the same time', async () => {
  const cluster = app.get(PgCluster);
  const seed = app.get(Seed);
  await cluster.query('DROP TABLE order_items, orders, products, users');
  await Promise.all(Array.from({ length: 6 }, () => seed.run()));
  const { rows } = await cluster.query(
    'SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM products) AS products',
  );
  expect(rows).toEqual([{ users: 1_000, products: 10_000 }]);
});
