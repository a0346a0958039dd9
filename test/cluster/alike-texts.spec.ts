import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withClient } from '../../lib/testing/superuser.js';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';

/** So that the first are taken for single texts, and the rest for one that is prepared. */
const TIMES = 60;

let database: FreshDatabase;
let bare: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  await withClient(database.adminUrl, (admin) =>
    admin.query(`
      CREATE TABLE kinds (small int2, large int8, exact numeric(8, 2), inexact float8, id oid, name text, at date);
      INSERT INTO kinds SELECT i, i, i, i, i, i, date '2026-01-01' + i FROM generate_series(0, 99) AS i;
      CREATE TABLE asked (name text, prepared int);
      GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC`),
  );
  bare = new pg.Client({ connectionString: database.adminUrl });
  await bare.connect();
});

afterAll(() => bare.end());

async function connected(options: ClusterOptions = {}) {
  const cluster = PgCluster.fromConfig(database.config, options);
  await cluster.connect();
  await until(async () => (await cluster.query('SELECT pg_is_in_recovery() AS it')).rows[0]?.it, {
    deadlineMs: 5_000,
    what: 'a replica to read from',
  });
  return cluster;
}

const preparedOf = async (cluster: PgCluster) => {
  const { rows } = await cluster.useReplica(() =>
    cluster.transaction({ readOnly: true }, () =>
      cluster.query<{ statement: string }>('SELECT statement FROM pg_prepared_statements'),
    ),
  );
  return rows.map(({ statement }) => statement);
};

it.each([
  'SELECT large, pg_typeof(large)::text FROM kinds WHERE small = @',
  'SELECT name FROM kinds WHERE large < @ ORDER BY large',
  'SELECT name FROM kinds WHERE exact >= @ ORDER BY exact LIMIT 3',
  'SELECT name FROM kinds WHERE inexact = @',
  'SELECT name FROM kinds WHERE id = @',
  'SELECT name FROM kinds ORDER BY large LIMIT @',
  `SELECT name FROM kinds WHERE name <> 'x' ORDER BY large OFFSET @;`,
  'SELECT large = @ AS is_it, count(*) FROM kinds GROUP BY 1 ORDER BY 1',
  'SELECT max(large) AS it FROM kinds HAVING max(large) > @',
])('%s answers as a bare client does, whatever the number', async (text) => {
  await using cluster = await connected();
  for (let i = 0; i < TIMES; i++) {
    const asked = text.replace('@', String(i));
    // As some ORMs give them.
    const none = i % 2 === 0 ? [] : undefined;
    const [{ rows, fields }, expected] = [await cluster.query(asked, none), await bare.query(asked)];
    expect([asked, rows, fields.map(({ name }) => name)]).toEqual([
      asked,
      expected.rows,
      expected.fields.map(({ name }) => name),
    ]);
  }
});

it.each([
  ['no operator takes a number', 'SELECT large FROM kinds WHERE name = @'],
  [
    'what is wrong stands behind the number',
    'SELECT name FROM kinds WHERE small = @ GROUP BY name HAVING large > 0',
  ],
  ['a plan that knows the number leaves out what fails', 'SELECT CASE WHEN 100 = @ THEN 1 / 0 ELSE 2 END'],
  [
    'an expression is a column by being the same as another',
    'SELECT small < @ AS is_less, count(*) FROM kinds GROUP BY GROUPING SETS ((small), (small < 55))',
  ],
])('where %s, it says or does what a bare client does', async (_, text) => {
  await using cluster = await connected();
  const told = (error: unknown) =>
    error instanceof pg.DatabaseError ? [error.code, error.message, error.position] : error;
  for (let i = 0; i < TIMES; i++) {
    const asked = text.replaceAll('@', String(i));
    const seen = ({ rows }: { readonly rows: readonly unknown[] }) =>
      rows.map((row) => JSON.stringify(row)).sort();
    const found = await cluster.query(asked).then(seen, told);
    expect([asked, found]).toEqual([asked, await bare.query(asked).then(seen, told)]);
  }
});

it('prepares them once on a connection', async () => {
  await using cluster = await connected({ connectionPool: { maxConnections: 2 } });
  for (let i = 0; i < TIMES; i++) await cluster.query(`SELECT name FROM kinds WHERE large = ${i}`, []);
  const rows = await Promise.all(
    Array.from({ length: 200 }, (_, i) => cluster.query(`SELECT large FROM kinds WHERE large = ${i % 100}`)),
  );
  expect(rows.map((each) => each.rows[0]?.large)).toEqual(rows.map((_, i) => String(i % 100)));
  expect(await preparedOf(cluster)).toEqual(
    expect.arrayContaining(['SELECT name FROM kinds WHERE large = $1::integer']),
  );
  expect((await preparedOf(cluster)).filter((text) => text.includes('large = 5'))).toEqual([]);
});

it('is shared with who writes the parameter himself', async () => {
  await using cluster = await connected();
  const text = 'SELECT name FROM kinds WHERE small = $1::integer';
  for (let i = 0; i < TIMES; i++) {
    const expected = [{ name: String(i) }];
    expect((await cluster.query(`SELECT name FROM kinds WHERE small = ${i}`)).rows).toEqual(expected);
    expect((await cluster.query(text, [i])).rows).toEqual(expected);
  }
});

it('prepares nothing where that is off', async () => {
  await using cluster = await connected({ connectionPool: { prepare: false } });
  for (let i = 0; i < TIMES; i++) await cluster.query(`SELECT name FROM kinds WHERE large = ${i}`);
  expect(await preparedOf(cluster)).toEqual([]);
});
