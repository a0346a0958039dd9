import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import type { ConnectOptions } from '../../lib/pool/driver.js';
import { KnownTexts } from '../../lib/pool/known-texts.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import type { QueryResult, Statement } from '../../lib/query.js';
import { PgBouncer, pgBouncerVersion } from '../support/pgbouncer.js';
import { sure } from '../support/sure.js';

const version = pgBouncerVersion();
if (version === undefined) console.log('pgbouncer.spec.ts is skipped: pgbouncer is not installed');

const CALLERS = 16;
const READS = 200;
/** Fewer than the connections of ours, so that each of these meets what others have prepared. */
const POOL_SIZE = 3;

/** One that follows prepared statements (PgBouncer 1.21 on, by max_prepared_statements) loses none. */
describe.skipIf(version === undefined)(`behind ${version}, which pools transactions`, () => {
  let servers: EmbeddedCluster;
  const bouncers: PgBouncer[] = [];
  let config: EmbeddedCluster['config'];

  beforeAll(async () => {
    servers = await EmbeddedCluster.start({ replicas: 1 });
    await servers.primary.query('CREATE TABLE numbers (id int PRIMARY KEY, name text)');
    await servers.primary.query(`INSERT INTO numbers SELECT i, 'n' || i FROM generate_series(1, 100) AS i`);
    await servers.primary.query('GRANT ALL ON numbers TO PUBLIC');
    const [master, replica] = [sure(servers.config.masters[0]), sure(servers.config.replicas[0])];
    const accounts = [master, replica].map(({ user, password }) => ({ user, password }));
    const [before, behind] = await Promise.all(
      [master, replica].map(({ port }) => PgBouncer.start({ port, accounts }, POOL_SIZE)),
    );
    bouncers.push(sure(before), sure(behind));
    const { monitor: _, ...rest } = servers.config;
    config = {
      ...rest,
      masters: [{ ...master, port: sure(before).port }],
      replicas: [{ ...replica, port: sure(behind).port }],
    } as typeof config;
  });

  afterAll(async () => {
    await Promise.all(bouncers.map((bouncer) => bouncer.stop()));
    await servers.stop();
  });

  afterEach(() => vi.restoreAllMocks());

  async function connected(options: ClusterOptions = {}): Promise<PgCluster> {
    const cluster = PgCluster.fromConfig(config, options);
    await cluster.connect();
    return cluster;
  }

  /** Texts whose rows tell which of them was asked, with values that tell which call. */
  const ask = async (cluster: PgCluster, caller: number, count: number) => {
    const [kind, id] = [count % 5, 1 + ((caller * 31 + count) % 100)];
    const { rows } =
      kind === 4
        ? await cluster.query(`SELECT 'kind 4' AS kind, count(*)::int AS id FROM numbers`)
        : await cluster.query(`SELECT 'kind ${kind}' AS kind, id FROM numbers WHERE id = $1`, [id]);
    expect(rows).toEqual([{ kind: `kind ${kind}`, id: kind === 4 ? 100 : id }]);
  };

  const readAll = (cluster: PgCluster) =>
    Promise.all(
      Array.from({ length: CALLERS }, async (_, caller) => {
        for (let count = 0; count < READS; count++) await ask(cluster, caller, count);
      }),
    );

  test.each(['useReplica', 'useMaster'] as const)('%s: every call gets its own rows', async (scope) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await using cluster = await connected();
    await cluster[scope](() => readAll(cluster));
    const warnings = warn.mock.calls.filter(([text]) => String(text).includes('PgBouncer'));
    expect(warnings.length).toBe(1);
    expect(warnings[0]?.[0]).toMatch(/prepared statements are gone.*connection_pool\.prepare/);
  });

  test('writes and transactions are done once, whatever is prepared', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await using cluster = await connected();
    await cluster.useMaster(() => cluster.query('CREATE TABLE IF NOT EXISTS written (id int)'));
    await Promise.all(
      Array.from({ length: CALLERS }, async (_, caller) => {
        for (let count = 0; count < 20; count++)
          await cluster.query('INSERT INTO written VALUES ($1)', [caller]);
      }),
    );
    const { rows } = await servers.primary.query(
      'SELECT id, count(*)::int FROM written GROUP BY id ORDER BY id',
    );
    expect(rows).toEqual(Array.from({ length: CALLERS }, (_, id) => ({ id, count: 20 })));
  });

  test('prepare: false: nothing is lost, and nobody is warned', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await using cluster = await connected({ connectionPool: { prepare: false } });
    await cluster.useReplica(() => readAll(cluster));
    expect(warn.mock.calls.filter(([text]) => String(text).includes('PgBouncer'))).toEqual([]);
  });

  test('nothing is prepared any more once that is known', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await using cluster = await connected();
    await cluster.useReplica(() => readAll(cluster));
    const prepared = () =>
      cluster.useReplica(async () => {
        const all = await Promise.all(
          Array.from({ length: 3 * POOL_SIZE }, () =>
            cluster.query<{ names: string[] | null }>(
              `SELECT array_agg(statement) AS names FROM pg_prepared_statements WHERE statement LIKE '%fresh%'`,
            ),
          ),
        );
        return all.flatMap(({ rows }) => rows[0]?.names ?? []);
      });
    for (let count = 0; count < 50; count++)
      await cluster.useReplica(() => cluster.query('SELECT $1::int AS fresh', [count]));
    expect(await prepared()).toEqual([]);
  });

  test('rows have the columns of the server that they come from, also where it prepared the text later', async () => {
    const { host, port, user, password, database } = sure(config.masters[0]);
    const texts = new KnownTexts({ prepare: true });
    const options: ConnectOptions = {
      node: 'bounced',
      host,
      port,
      user,
      password: sure(password),
      database,
      ssl: false,
      applicationName: 'one of several',
      connectionTimeoutMs: 5_000,
      readOnly: false,
      texts,
    };
    const connect = () => pgDriver.connect(options, systemClock);
    const [one, other, third] = [await connect(), await connect(), await connect()];
    const asked: Statement = { text: 'SELECT * FROM shifting WHERE id = $1', values: [1] };
    const ask = async (connection: typeof one) => {
      const { rows } = await new Promise<QueryResult>((resolve, reject) => {
        connection.pipeline(asked, texts.of(asked.text), (error, result) =>
          result ? resolve(result) : reject(error as Error),
        );
      });
      return rows;
    };
    try {
      await servers.primary.query(`CREATE TABLE shifting AS SELECT 1 AS id, '0123' AS value`);
      await servers.primary.query('GRANT SELECT ON shifting TO PUBLIC');
      for (let count = 0; count < 3; count++) expect(await ask(one)).toEqual([{ id: 1, value: '0123' }]);
      await servers.primary.query('ALTER TABLE shifting ALTER COLUMN value TYPE int USING value::int');
      // It takes the server that has the text prepared; the others get another one.
      await third.query('BEGIN');
      expect(await ask(other)).toEqual([{ id: 1, value: 123 }]);
      expect(await ask(one)).toEqual([{ id: 1, value: 123 }]);
    } finally {
      await Promise.all([one, other, third].map((connection) => connection.end()));
    }
  });
});
