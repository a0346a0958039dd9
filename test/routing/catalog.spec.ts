import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCatalog, readFingerprint } from '../../lib/routing/catalog/load.js';
import { Classifier } from '../../lib/routing/classifier.js';
import { freshDatabase } from '../support/cluster.js';

let client: pg.Client;
let classifier: Classifier;

beforeAll(async () => {
  const { adminUrl } = await freshDatabase();
  client = new pg.Client(adminUrl);
  await client.connect();
  classifier = await Classifier.create();
});

afterAll(() => client.end());

const refresh = async () => classifier.use(await loadCatalog(client, classifier.catalog));

describe('the catalog', () => {
  it('shows every kind of definition by another fingerprint, and nothing that is none', async () => {
    let last = await readFingerprint(client);
    const changes = async (statement: string) => {
      await client.query(statement);
      const next = await readFingerprint(client);
      const hasChanged = next !== last;
      last = next;
      return hasChanged;
    };
    for (const statement of [
      'CREATE TABLE t (id int, b text)',
      'ALTER TABLE t ADD COLUMN c int',
      'ALTER TABLE t RENAME COLUMN b TO d',
      'ALTER TABLE t ALTER COLUMN d TYPE varchar(20)',
      'CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
      'CREATE OR REPLACE FUNCTION f(t) RETURNS int LANGUAGE sql AS $$ SELECT 2 $$',
      'ALTER FUNCTION f(t) STABLE',
      'CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)',
      'CREATE VIEW v AS SELECT f(t) FROM t',
      'CREATE OR REPLACE VIEW v AS SELECT f(t) + 1 - 1 AS f FROM t',
      'CREATE DOMAIN d AS int',
      'ALTER DOMAIN d ADD CHECK (VALUE > 0)',
      'CREATE TYPE pair AS (a int, b int)',
      'CREATE FUNCTION pair_to_int(pair) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
      'CREATE CAST (pair AS int) WITH FUNCTION pair_to_int(pair)',
      'CREATE POLICY p ON t USING (true)',
      'ALTER TABLE t SET UNLOGGED',
      'CREATE TABLE child () INHERITS (t)',
      'CREATE SEQUENCE s',
      'ALTER TABLE t ALTER c SET DEFAULT 5',
      'CREATE INDEX by_id ON t (id)',
      'CREATE STATISTICS counts ON (id + 1), (c + 1) FROM t',
      'ALTER TABLE t ADD CONSTRAINT positive CHECK (id >= 0)',
      'ALTER TABLE t DROP CONSTRAINT positive, ADD CONSTRAINT positive CHECK (id >= -1)',
      `CREATE OPERATOR FAMILY family USING btree;
       ALTER OPERATOR FAMILY family USING btree ADD OPERATOR 3 === (int, int)`,
      'CREATE SCHEMA other',
      'SET search_path = other, public',
      'SET standard_conforming_strings = off',
      'RESET standard_conforming_strings',
      'DROP SCHEMA other',
    ]) {
      expect(await changes(statement), statement).toBe(true);
    }
    for (const statement of [
      'INSERT INTO t VALUES (1)',
      `SELECT nextval('s')`,
      'VACUUM ANALYZE t',
      'CREATE TEMP TABLE passing (id serial, b text)',
      'CREATE TEMP VIEW passing_view AS SELECT 1 AS a',
      'DROP TABLE passing',
      'SELECT 1',
    ]) {
      expect(await changes(statement), statement).toBe(false);
    }
  });

  it('tells a table from one that took its place, by whatever identifiers', async () => {
    const seen = new Set<string>();
    for (let turn = 0; turn < 150; turn++) {
      // Other distances between the identifiers of tables, and between those of transactions.
      for (let spent = turn % 5; spent > 0; spent--) await client.query('SELECT pg_current_xact_id()');
      const columns = turn % 3 === 0 ? 'a int' : 'a text';
      await client.query('DROP TABLE IF EXISTS turned');
      await client.query(`CREATE TABLE turned (${columns})`);
      seen.add(await readFingerprint(client));
    }
    expect(seen.size).toBe(150);
  });

  it('learns new names, and what old ones have become', async () => {
    await client.query('SET search_path = public');
    await refresh();
    const ask = (text: string) => {
      const found = classifier.classify(text);
      return found.kind === 'read' ? 'read' : found.reason;
    };
    expect(ask('SELECT g(1) FROM later')).toBe('unknown-name');
    await client.query('CREATE TABLE later (id int)');
    await client.query('CREATE FUNCTION g(int) RETURNS int LANGUAGE sql AS $$ SELECT $1 $$');
    expect(ask('SELECT g(1) FROM later')).toBe('unknown-name');
    await refresh();
    expect(ask('SELECT g(1) FROM later')).toBe('read');
    await client.query(
      'CREATE OR REPLACE FUNCTION g(int) RETURNS int LANGUAGE sql AS $$ DELETE FROM later RETURNING 1 $$',
    );
    await refresh();
    expect(ask('SELECT g(1) FROM later')).toBe('write');
    await client.query('CREATE SCHEMA apart');
    await client.query('CREATE TABLE apart.far (id int)');
    await refresh();
    expect(ask('SELECT * FROM far')).toBe('unknown-name');
    expect(ask('SELECT * FROM apart.far')).toBe('read');
    await client.query('SET search_path = apart, public');
    await refresh();
    expect(ask('SELECT * FROM far')).toBe('read');
  });

  it('keeps current_schema from a replica where it would make the schema of temporary objects', async () => {
    const kinds = async (path: string) => {
      await client.query(`SET search_path = ${path}`);
      await refresh();
      const texts = ['SELECT current_schema()', 'SELECT current_schema', 'SELECT current_schemas(true)'];
      return texts.map((text) => classifier.classify(text).kind);
    };
    expect(await kinds('pg_temp, public')).toEqual(['primary', 'primary', 'primary']);
    expect(await kinds('public')).toEqual(['read', 'read', 'read']);
  });

  it('reads what is the server’s own only once', async () => {
    const first = await loadCatalog(client);
    const asked: string[] = [];
    const counting = {
      query: (statement: string) => {
        asked.push(statement);
        return client.query(statement);
      },
    };
    const second = await loadCatalog(counting as never, first);
    expect(second.entries.builtin).toBe(first.entries.builtin);
    expect(asked.every((statement) => !statement.includes('oid < '))).toBe(true);
  });
});
