import { request } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { PgCluster } from 'nestjs-pg-mcp';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';
import { configFile, startInProcess } from './running-app.js';

let config: Awaited<ReturnType<typeof configFile>>;
let admin: pg.Client;
let app: INestApplication;
let url: string;

beforeAll(async () => {
  const database = await freshDatabase();
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

beforeEach(async () => {
  await admin.query(`DELETE FROM products WHERE category = 'imported'`);
});

const imported = async () => {
  const { rows } = await admin.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM products WHERE category = 'imported'`,
  );
  return rows[0]?.n;
};

async function upload(type: string, body: string) {
  const response = await fetch(`${url}/products/import`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  });
  const text = await response.text();
  return {
    status: response.status,
    text,
    lines: text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  };
}

const NDJSON = 'application/x-ndjson';
const product = (name: string, price: unknown = 1.5) =>
  `${JSON.stringify({ name, category: 'imported', price, stock: 3 })}\n`;
const CSV = 'name,category,price,stock\n';

const noneActive = () =>
  until(() => app.get(PgCluster).getStatus().activeConnections === 0, {
    deadlineMs: 5_000,
    what: 'the connection to come back',
  });

describe('import', () => {
  it('stores lines of JSON, and answers with its progress', async () => {
    const body = Array.from({ length: 5_000 }, (_, i) => product(`No. ${i}, "quoted"\\`)).join('');
    const { status, lines } = await upload(NDJSON, body);
    expect(status).toBe(200);
    expect(lines.length).toBeGreaterThan(2);
    expect(lines[0]).toEqual({ rows: expect.any(Number) as number, bytes: expect.any(Number) as number });
    expect(lines.at(-1)).toEqual({ imported: 5_000 });
    expect(await imported()).toBe(5_000);
  });

  it('stores CSV', async () => {
    const { lines } = await upload(
      'text/csv; charset=utf-8',
      `${CSV}"A ""lamp""",imported,9.90,1\nB,imported,1,2\n`,
    );
    expect(lines.at(-1)).toEqual({ imported: 2 });
    expect(await imported()).toBe(2);
  });

  it.each([
    ['no JSON', NDJSON, `${product('a')}{\n`, /line 2 is no JSON/],
    ['no product', NDJSON, product('a') + product('b', -1), /line 2: price/],
    ['no number', 'text/csv', `${CSV}A,imported,x,1\n`, /line 2, column price/],
    ['a broken constraint', 'text/csv', `${CSV}A,imported,1,-1\n`, /COPY products, line 2/],
  ])('refuses %s, by its line, and keeps nothing', async (_, type, body, message) => {
    const { status, text } = await upload(type, body);
    expect(status).toBe(400);
    expect(text).toMatch(message);
    expect(await imported()).toBe(0);
  });

  it('says so when a late line is wrong, and keeps nothing', async () => {
    const { status, lines } = await upload(NDJSON, product('a').repeat(20_000) + product('b', -1));
    expect(status).toBe(200);
    expect(lines.at(-1)).toEqual({ error: expect.stringContaining('line 20001: price') as string });
    expect(await imported()).toBe(0);
  });

  it('takes no other type', async () => {
    expect(await upload('text/plain', 'x')).toMatchObject({ status: 415 });
  });

  it('keeps nothing of an upload that breaks off', async () => {
    const sending = request(`${url}/products/import`, {
      method: 'POST',
      headers: { 'content-type': NDJSON },
    });
    sending.on('error', () => {});
    sending.write(product('a').repeat(1_000));
    await until(() => app.get(PgCluster).getStatus().activeConnections === 1, {
      deadlineMs: 5_000,
      what: 'the import to begin',
    });
    sending.destroy();
    await noneActive();
    expect(await imported()).toBe(0);
  });
});

describe('export', () => {
  it('gives every product as CSV, which can be imported again', async () => {
    const response = await fetch(`${url}/products/export`);
    expect(response.headers.get('content-type')).toMatch(/^text\/csv/);
    const csv = await response.text();
    const lines = csv.trim().split('\n');
    expect(lines[0]).toBe('name,category,price,stock');
    expect(lines).toHaveLength(10_001);
    const { lines: answer } = await upload('text/csv', `${lines.slice(0, 11).join('\n')}\n`);
    expect(answer.at(-1)).toEqual({ imported: 10 });
  });

  it('that nobody reads to its end gives its connection back', async () => {
    const response = await fetch(`${url}/products/export`);
    await response.body?.cancel();
    await noneActive();
  });
});
