import { PgCluster } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';

let cluster: PgCluster;

beforeAll(async () => {
  cluster = PgCluster.fromConfig((await freshDatabase()).config);
  await cluster.connect();
  await cluster.query('CREATE TABLE users (id int PRIMARY KEY, name text); CREATE SEQUENCE counter');
});

afterAll(() => cluster.close());

const explain = async (text: string) => {
  const { target, reason } = await cluster.explainRoute(text);
  return `${target}: ${reason}`;
};

describe('explainRoute', () => {
  it.each([
    ['SELECT name FROM users WHERE id = $1', 'replica: read'],
    ['/* why */ (VALUES (1))', 'replica: read'],
    ['EXPLAIN UPDATE users SET name = NULL', 'replica: read'],
    ['UPDATE users SET name = NULL', 'primary: write'],
    ['WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone', 'primary: write'],
    ['SELECT * FROM users FOR UPDATE', 'primary: row-lock'],
    [`SELECT nextval('counter')`, 'primary: sequence'],
    ['SELECT last_value FROM counter', 'primary: sequence'],
    ['SELECT * FROM nowhere', 'primary: unknown-name'],
    ['SELEC 1', 'primary: not-parsed'],
    ['SET work_mem = 1', 'primary: setting'],
    ['BEGIN', 'primary: transaction-control'],
  ])('%s goes to the %s', async (text, expected) => {
    expect(await explain(text)).toBe(expected);
  });

  it('runs nothing', async () => {
    await cluster.explainRoute(`INSERT INTO users VALUES (1, 'nobody')`);
    expect((await cluster.query('SELECT FROM users')).rows).toEqual([]);
  });

  it('knows what was defined meanwhile', async () => {
    const text = 'SELECT touch(name) FROM users';
    expect(await explain(text)).toBe('primary: unknown-name');
    await cluster.query(
      `CREATE FUNCTION touch(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)'`,
    );
    expect(await explain(text)).toBe('replica: read');
    await cluster.query(
      `CREATE OR REPLACE FUNCTION touch(text) RETURNS text LANGUAGE sql AS 'INSERT INTO users VALUES (1) RETURNING name'`,
    );
    expect(await explain(text)).toBe('primary: write');
  });

  it('says what to use instead of a session statement', async () => {
    expect(await cluster.explainRoute('LISTEN orders')).toMatchObject({
      target: 'primary',
      reason: 'listen',
      detail: expect.stringMatching(/getConnection|session/),
      node: cluster.getStatus().primary,
    });
  });
});
