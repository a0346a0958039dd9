import type { INestApplication } from '@nestjs/common';
import type { ClusterStatus } from 'nestjs-pg-mcp';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { parseExposition } from '../support/exposition.js';
import { until } from '../support/until.js';
import { ask, configFile, startInProcess } from './running-app.js';

interface Product {
  readonly id: number;
  readonly category: string;
  readonly stock: number;
}

interface Refusal {
  readonly message: readonly string[];
}

let database: FreshDatabase;
let config: Awaited<ReturnType<typeof configFile>>;
let admin: pg.Client;
let app: INestApplication;
let url: string;

beforeAll(async () => {
  database = await freshDatabase();
  config = await configFile(database.config);
  ({ app, url } = await startInProcess(config.path));
  admin = new pg.Client({ connectionString: database.adminUrl });
  await admin.connect();
});

afterAll(async () => {
  await admin.end();
  await app.close();
  await config[Symbol.asyncDispose]();
});

async function newProduct(stock: number): Promise<number> {
  const { body } = await ask(url, '/products', { name: 'Kettle', category: 'kitchen', price: 12.34, stock });
  return (body as Product).id;
}

async function count(sql: string, ...values: unknown[]): Promise<number> {
  const { rows } = await admin.query<{ count: number }>(`SELECT (${sql})::int AS count`, values);
  return rows[0]?.count ?? NaN;
}

const stockOf = (id: number) => count('SELECT stock FROM products WHERE id = $1', id);

async function metrics() {
  const { text } = await ask(url, '/metrics');
  // So prom-client writes NaN, which some of the process's own figures are at times.
  return parseExposition(text.replaceAll(/ Nan$/gm, ' 0'));
}

describe('reading', () => {
  it('finds a user', async () => {
    expect(await ask(url, '/users/7')).toMatchObject({
      status: 200,
      body: { id: 7, name: 'User 7', email: 'user7@example.com', createdAt: expect.any(String) as string },
    });
  });

  it('finds a product', async () => {
    const { status, body } = await ask(url, '/products/10000');
    expect(status).toBe(200);
    expect(body).toEqual({
      id: 10_000,
      name: 'Games no. 10000',
      category: 'games',
      price: expect.any(Number) as number,
      stock: 0,
    });
  });

  it('lists products, of a category, up to a limit', async () => {
    const { body: some } = await ask(url, '/products');
    expect(some).toHaveLength(20);
    const { status, body } = await ask(url, '/products?category=books&limit=100');
    expect(status).toBe(200);
    expect(body).toHaveLength(100);
    expect(new Set((body as Product[]).map(({ category }) => category))).toEqual(new Set(['books']));
    expect((await ask(url, '/products?category=none')).body).toEqual([]);
  });

  it('reads on both replicas and never on the primary', async () => {
    const [before, toPrimary] = [await statementsByNode(), await sentToPrimary()];
    for (let id = 1; id <= 40; id++) {
      await ask(url, `/users/${id}`);
      await ask(url, `/products/${id}`);
      await ask(url, '/products?category=games&limit=1');
    }
    const after = await statementsByNode();
    const ran = ({ name }: { name: string }) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect(await sentToPrimary()).toBe(toPrimary);
    const onReplicas = database.config.replicas.map(ran);
    expect(onReplicas.reduce((sum, each) => sum + each)).toBe(120);
    expect(Math.min(...onReplicas)).toBeGreaterThan(20);
  });

  async function statementsByNode(): Promise<Map<string | undefined, number>> {
    const samples = (await metrics()).all('db_query_duration_seconds_count');
    return new Map(samples.map(({ labels, value }) => [labels['node'], value]));
  }

  /** Without what the cluster asks there for itself, at times of its own: what the database has. */
  async function sentToPrimary(): Promise<number> {
    const decisions = (await metrics()).all('db_routing_decisions_total');
    const those = decisions.filter(
      ({ labels: { target, reason } }) => target === 'primary' && reason !== 'catalog',
    );
    return those.reduce((sum, { value }) => sum + value, 0);
  }
});

describe('writing', () => {
  it('answers with the product that it created', async () => {
    const product = { name: "Robert'); DROP TABLE products;--", category: 'books', price: 0.29, stock: 3 };
    const { status, body } = await ask(url, '/products', product);
    expect(status).toBe(201);
    expect(body).toEqual({ id: expect.any(Number) as number, ...product });
    expect(await stockOf((body as Product).id)).toBe(3);
  });

  it('writes on the primary only', async () => {
    const before = await metrics();
    await newProduct(1);
    const after = await metrics();
    const decided = (target: string) =>
      [after, before]
        .map((each) =>
          each.all('db_routing_decisions_total').filter(({ labels }) => labels['target'] === target),
        )
        .map((samples) => samples.reduce((sum, { value }) => sum + value, 0));
    const [primaryAfter = 0, primaryBefore] = decided('primary');
    expect(primaryAfter - 1).toBe(primaryBefore);
    const [replicaAfter, replicaBefore] = decided('replica');
    expect(replicaAfter).toBe(replicaBefore);
  });

  it('takes an order out of the stock', async () => {
    const [first, second] = [await newProduct(5), await newProduct(8)];
    const items = [
      { productId: second, quantity: 2 },
      { productId: first, quantity: 5 },
    ];
    const { status, body } = await ask(url, '/orders', { userId: 3, items });
    expect(status).toBe(201);
    expect(body).toMatchObject({ userId: 3, total: 86.38, createdAt: expect.any(String) as string });
    expect((body as { items: unknown }).items).toEqual(
      expect.arrayContaining(items.map((item) => ({ ...item, price: 12.34 }))),
    );
    expect([await stockOf(first), await stockOf(second)]).toEqual([0, 6]);
  });

  it('refuses an order of more than is left, says what is short, and changes nothing', async () => {
    const [plenty, few] = [await newProduct(100), await newProduct(2)];
    const orders = await count('SELECT count(*) FROM orders');
    const items = [
      { productId: plenty, quantity: 1 },
      { productId: few, quantity: 3 },
    ];
    const { status, body } = await ask(url, '/orders', { userId: 1, items });
    expect(status).toBe(409);
    expect(body).toEqual({
      statusCode: 409,
      error: 'Conflict',
      message: [`product ${few}: 3 wanted, 2 left`],
      shortages: [{ productId: few, wanted: 3, left: 2 }],
    });
    expect([await stockOf(plenty), await stockOf(few)]).toEqual([100, 2]);
    expect(await count('SELECT count(*) FROM orders')).toBe(orders);
  });

  it('sells a stock of 30 to 30 of 100 who order at once', async () => {
    const productId = await newProduct(30);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        ask(url, '/orders', { userId: i + 1, items: [{ productId, quantity: 1 }] }),
      ),
    );
    const withStatus = (status: number) => answers.filter((answer) => answer.status === status);
    expect(withStatus(201)).toHaveLength(30);
    expect(withStatus(409)).toHaveLength(70);
    expect(await stockOf(productId)).toBe(0);
    expect(await count('SELECT sum(quantity) FROM order_items WHERE product_id = $1', productId)).toBe(30);
  });

  it('sells two products to orders that name them in opposite orders', async () => {
    const pair = [await newProduct(1_000), await newProduct(1_000)];
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => {
        const products = i % 2 === 0 ? pair : pair.toReversed();
        return ask(url, '/orders', {
          userId: 1,
          items: products.map((productId) => ({ productId, quantity: 1 })),
        });
      }),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(await Promise.all(pair.map(stockOf))).toEqual([940, 940]);
  });
});

describe('what is not there', () => {
  it.each([
    ['/users/1001', undefined, 'there is no user 1001'],
    ['/users/2147483647', undefined, 'there is no user 2147483647'],
    ['/products/2147483647', undefined, 'there is no product 2147483647'],
    ['/orders', { userId: 1001, items: [{ productId: 1, quantity: 1 }] }, 'there is no user 1001'],
    [
      '/orders',
      {
        userId: 1,
        items: [2_000_000_000, 1, 2_000_000_001].map((productId) => ({ productId, quantity: 1 })),
      },
      'there is no product 2000000000, 2000000001',
    ],
    ['/nothing', undefined, 'Cannot GET /nothing'],
  ])('%s %j', async (path, body, message) => {
    expect(await ask(url, path, body)).toMatchObject({ status: 404, body: { statusCode: 404, message } });
  });
});

describe('bad input', () => {
  const item = { productId: 1, quantity: 1 };
  const product = { name: 'Kettle', category: 'kitchen', price: 1 };

  it.each<[path: string, reasons: string[]]>([
    ['/users/abc', ['id']],
    ['/users/0', ['id']],
    ['/users/-1', ['id']],
    ['/users/1.5', ['id']],
    ['/users/1e3', ['id']],
    ['/users/0x10', ['id']],
    ['/users/%20', ['id']],
    ['/users/%00', ['id']],
    ['/users/2147483648', ['id']],
    [`/users/${'9'.repeat(400)}`, ['id']],
    ["/users/1'--", ['id']],
    ['/products/abc', ['id']],
    ['/products?limit=0', ['limit']],
    ['/products?limit=101', ['limit']],
    ['/products?limit=-5', ['limit']],
    ['/products?limit=ten', ['limit']],
    ['/products?limit=', ['limit']],
    ['/products?limit=5&limit=6', ['limit']],
    ['/products?category=', ['category']],
    ['/products?category=a&category=b', ['category']],
    ['/products?category=bo%00oks', ['category']],
    [`/products?category=${'x'.repeat(51)}`, ['category']],
    ['/products?category=&limit=1000', ['category', 'limit']],
    ['/products?limti=5', ['limti']],
    ['/products?__proto__=5', []],
  ])('GET %s', async (path, reasons) => {
    const answer = await ask(url, path);
    if (reasons.length > 0) expectReasons(answer, reasons);
    else expect(answer.status).toBeLessThan(500);
  });

  it.each<[path: string, body: unknown, reasons: string[]]>([
    ['/products', {}, ['name', 'category', 'price']],
    ['/products', [], ['']],
    ['/products', '"text"', ['']],
    ['/products', { ...product, name: '' }, ['name']],
    ['/products', { ...product, name: 'x'.repeat(201) }, ['name']],
    ['/products', { ...product, name: 'a\0b', category: '\0' }, ['name', 'category']],
    ['/products', { ...product, name: 5, category: null }, ['name', 'category']],
    ['/products', { ...product, price: -0.01 }, ['price']],
    ['/products', { ...product, price: '1' }, ['price']],
    ['/products', { ...product, price: 0.001 }, ['price']],
    ['/products', { ...product, price: 1_000_000.01 }, ['price']],
    ['/products', '{"name":"a","category":"b","price":1e999}', ['price']],
    ['/products', { ...product, stock: -1 }, ['stock']],
    ['/products', { ...product, stock: 1.5 }, ['stock']],
    ['/products', { ...product, stock: 3e9 }, ['stock']],
    ['/products', { ...product, id: 1 }, ['"id"']],
    ['/orders', {}, ['userId', 'items']],
    ['/orders', { userId: 1, items: [] }, ['items']],
    ['/orders', { userId: 1, items: 'all' }, ['items']],
    ['/orders', { userId: 1, items: [null] }, ['items.0']],
    ['/orders', { userId: '1', items: [item] }, ['userId']],
    ['/orders', { userId: 2 ** 31, items: [item] }, ['userId']],
    ['/orders', { userId: 1, items: [{ ...item, quantity: 0 }] }, ['items.0.quantity']],
    ['/orders', { userId: 1, items: [{ ...item, quantity: 1_001 }] }, ['items.0.quantity']],
    ['/orders', { userId: 1, items: [item, { ...item, quantity: 2 }] }, ['items.1.productId']],
    ['/orders', { userId: 1, items: Array.from({ length: 101 }, () => item) }, ['items']],
    [
      '/orders',
      { userId: 0, items: [{ productId: 'x', quantity: -1 }, item, { quantity: 1.5 }], note: '' },
      ['userId', 'items.0.productId', 'items.0.quantity', 'items.2.productId', 'items.2.quantity', '"note"'],
    ],
  ])('POST %s %j', async (path, body, reasons) => {
    const answer = await ask(url, path, body);
    if (reasons.includes('')) expectRefused(answer);
    else expectReasons(answer, reasons);
  });

  it.each<[what: string, path: string, init: RequestInit]>([
    ['half of a JSON text', '/orders', { body: '{"userId": 1' }],
    ['no JSON', '/orders', { body: 'userId=1' }],
    ['JSON null', '/orders', { body: 'null' }],
    ['no body', '/orders', {}],
    [
      'a form',
      '/orders',
      { body: 'userId=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    ],
    ['plain text', '/orders', { body: 'userId', headers: { 'content-type': 'text/plain' } }],
    ['what claims to be compressed', '/orders', { body: '{}', headers: { 'content-encoding': 'gzip' } }],
    ['a text 49,000 arrays deep', '/products', { body: `${'['.repeat(49_000)}${']'.repeat(49_000)}` }],
    ['a text 49,000 objects deep', '/products', { body: `${'{"":'.repeat(20_000)}0${'}'.repeat(20_000)}` }],
    [
      'a value 49,000 arrays deep',
      '/products',
      { body: `{"name":${'['.repeat(49_000)}${']'.repeat(49_000)}}` },
    ],
    ['a broken escape', '/users/%E0%A4%A', { method: 'GET' }],
  ])('%s', async (_, path, init) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      ...init,
      headers: {
        'content-type': 'application/json',
        ...(init.headers as Record<string, string> | undefined),
      },
    });
    const text = await response.text();
    expectRefused({ status: response.status, text });
  });

  it('an unknown charset, a body too large', async () => {
    const headers = { 'content-type': 'application/json; charset=klingon' };
    const strange = await fetch(`${url}/orders`, { method: 'POST', headers, body: '{}' });
    expect(strange.status).toBe(415);
    expect((await ask(url, '/products', { ...product, name: 'x'.repeat(200_000) })).status).toBe(413);
  });

  function expectReasons(
    answer: { status: number; text: string; body: unknown },
    reasons: readonly string[],
  ) {
    expectRefused(answer);
    const { message } = answer.body as Refusal;
    expect(message).toHaveLength(reasons.length);
    for (const reason of reasons) {
      const names = (line: string) => line.startsWith(`${reason}: `) || line.includes(`key: ${reason}`);
      expect(
        message.filter((line) => names(line) || line.includes(`key: "${reason}"`)),
        reason,
      ).toHaveLength(1);
    }
  }

  function expectRefused({ status, text }: { status: number; text: string }) {
    expect(status).toBe(400);
    expect(text).not.toMatch(/\bat \S+[:(]|node_modules|\.[jt]s\b|SELECT|INSERT/);
  }
});

describe('for operators', () => {
  it('shows the cluster', async () => {
    const { status, body } = await ask(url, '/cluster');
    expect(status).toBe(200);
    const { state, nodes } = body as ClusterStatus;
    expect(state).toBe('ready');
    expect(nodes.map(({ role }) => role)).toEqual(['primary', 'replica', 'replica']);
  });

  it('is healthy, ready and alive', async () => {
    expect(await ask(url, '/health')).toMatchObject({
      status: 200,
      body: { status: 'ok', info: { database: { status: 'up' } } },
    });
    expect(await ask(url, '/health/live')).toMatchObject({ status: 200, body: { status: 'ok', info: {} } });
  });

  it('has the three figures of the original with true values', async () => {
    const lag = (each: Awaited<ReturnType<typeof metrics>>) => each.all('db_replica_lag_bytes');
    const found = await until(
      async () => {
        const scraped = await metrics();
        return lag(scraped).every(({ value }) => value === 0) && scraped;
      },
      { deadlineMs: 5_000, what: 'the replicas to catch up' },
    );
    expect(lag(found).map(({ labels }) => labels['replica_host'])).toEqual(
      database.config.replicas.map(({ host, port }) => `${host}:${port}`),
    );
    const ofEach = (name: string) => found.all(name).map(({ value }) => value);
    expect(ofEach('db_pool_size')).toEqual([10, 10, 10]);
    expect(ofEach('db_active_connections')).toEqual([0, 0, 0]);
  });

  it('shows a connection in use as active', async () => {
    const productId = await newProduct(1);
    const active = async () => (await metrics()).value('db_active_connections', { role: 'primary' });
    await admin.query('BEGIN');
    await admin.query('SELECT FROM products WHERE id = $1 FOR UPDATE', [productId]);
    const order = ask(url, '/orders', { userId: 1, items: [{ productId, quantity: 1 }] });
    await until(async () => (await active()) === 1, { deadlineMs: 5_000, what: 'the order to wait' });
    await admin.query('ROLLBACK');
    expect((await order).status).toBe(201);
    expect(await active()).toBe(0);
  });
});
