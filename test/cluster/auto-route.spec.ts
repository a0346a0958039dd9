import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';

let database: FreshDatabase;
let admin: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  admin = new pg.Client({ connectionString: database.adminUrl });
  await admin.connect();
  await using cluster = await connected();
  await cluster.query('CREATE TABLE visits (id int)');
  await cluster.query(`
    CREATE FUNCTION visit() RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO visits VALUES (1) RETURNING id';
    CREATE FUNCTION hidden(int) RETURNS int LANGUAGE plpgsql AS $$
      DECLARE result int;
      BEGIN EXECUTE 'SELECT ' || $1 INTO result; RETURN result; END $$;
    CREATE FUNCTION own() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
    REVOKE EXECUTE ON FUNCTION own() FROM PUBLIC;
  `);
  await replayed();
});

afterAll(() => admin.end());

async function connected(options: ClusterOptions = {}): Promise<PgCluster> {
  const cluster = PgCluster.fromConfig(database.config, options);
  await cluster.connect();
  return cluster;
}

/** Every replica has what is on the primary now. */
async function replayed(): Promise<void> {
  const { rows } = await admin.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  for (const connectionString of database.replicaUrls) {
    const replica = new pg.Client({ connectionString });
    await replica.connect();
    const has = 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS it';
    await until(async () => (await replica.query<{ it: boolean }>(has, [rows[0]?.lsn])).rows[0]?.it, {
      deadlineMs: 10_000,
      what: 'the replicas to have replayed',
    });
    await replica.end();
  }
}

const isStandby = async (cluster: PgCluster) =>
  (await cluster.query<{ standby: boolean }>(`SELECT pg_is_in_recovery() AS standby`)).rows[0]?.standby;

const pick = ({ host, port, name }: { host: string; port: number; name: string }) => ({ host, port, name });

const countOf = (cluster: PgCluster, target: string, reason: string) =>
  cluster.getCounters().decisions.find((each) => each.target === target && each.reason === reason)?.count ??
  0;

describe('what nothing decorates', () => {
  it('goes where its statement may, for the reason that explainRoute tells', async () => {
    await using cluster = await connected();
    const cases: readonly (readonly [string, string, string])[] = [
      ['SELECT count(*) FROM visits', 'replica', 'read'],
      ['/* at first a comment */ WITH v AS (SELECT 1) SELECT * FROM v', 'replica', 'read'],
      ['TABLE visits', 'replica', 'read'],
      ['INSERT INTO visits VALUES (0)', 'primary', 'write'],
      ['WITH w AS (DELETE FROM visits WHERE id < 0 RETURNING 1) SELECT * FROM w', 'primary', 'write'],
      ['SELECT * FROM visits FOR UPDATE', 'primary', 'row-lock'],
      ['SELECT visit()', 'primary', 'write'],
      ['SELECT hidden(1)', 'primary', 'volatile-function'],
    ];
    for (const [text, target, reason] of cases) {
      expect(await cluster.explainRoute(text)).toMatchObject({ target, reason });
      const before = countOf(cluster, target, reason);
      await cluster.session.resume(undefined, () => cluster.query(text));
      expect(countOf(cluster, target, reason)).toBe(before + 1);
    }
  });

  it('may be one and two reads in one text, but no write', async () => {
    await using cluster = await connected();
    await cluster.session.resume(undefined, () => cluster.query('SELECT 1; SELECT 2'));
    await cluster.query('SELECT 1; INSERT INTO visits VALUES (2)');
    expect([countOf(cluster, 'replica', 'read'), countOf(cluster, 'primary', 'write')]).toEqual([1, 1]);
  });

  it('is refused where it needs a connection of its own, with what to use instead', async () => {
    await using cluster = await connected();
    for (const text of [
      "SET statement_timeout = '1s'",
      'LISTEN news',
      'PREPARE p AS SELECT 1',
      'CREATE TEMP TABLE mine (id int)',
      'SELECT pg_advisory_lock(1)',
      `SELECT set_config('app.tenant', 'seven', false)`,
      'BEGIN',
      'DECLARE c CURSOR FOR SELECT 1',
    ]) {
      const refused = expect.objectContaining({ code: 'SESSION_STATEMENT', safeToRetry: true });
      await expect(cluster.useMaster(() => cluster.query(text))).rejects.toEqual(refused);
      await expect(cluster.useReplica(() => cluster.query(text))).rejects.toEqual(refused);
      await expect(cluster.query(text)).rejects.toEqual(refused);
    }
    await cluster.useMaster({ session: true }, async () => {
      await cluster.query('CREATE TEMP TABLE mine (id int)');
      await cluster.query('SELECT * FROM mine');
    });
  });

  it('knows at once what this process has defined, and on explainRoute what others have', async () => {
    await using cluster = await connected();
    await cluster.query(`CREATE FUNCTION changing() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'`);
    // This session has just written, and would be sent to the primary for that.
    const freshly = (text: string) => cluster.session.resume(undefined, () => cluster.explainRoute(text));
    expect(await freshly('SELECT changing()')).toMatchObject({ target: 'replica' });
    await cluster.query(
      `CREATE OR REPLACE FUNCTION changing() RETURNS int LANGUAGE sql AS 'INSERT INTO visits VALUES (3) RETURNING 1'`,
    );
    // By itself, without the look that explainRoute takes: a replica that was asked would have refused it.
    await cluster.session.resume(undefined, () => cluster.query('SELECT changing()'));
    expect(cluster.getCounters().retries).toEqual(new Map());
    expect(await cluster.explainRoute('SELECT changing()')).toMatchObject({ target: 'primary' });
    await admin.query(`CREATE OR REPLACE FUNCTION changing() RETURNS int LANGUAGE sql AS 'SELECT 2'`);
    expect(await freshly('SELECT changing()')).toMatchObject({ target: 'replica' });
  });
});

describe('shadow mode', () => {
  it('sends all to the primary and tells where it would have gone', async () => {
    await using cluster = await connected({ routing: { mode: 'shadow' } });
    expect(await isStandby(cluster)).toBe(false);
    expect(await isStandby(cluster)).toBe(false);
    await cluster.query('SELECT visit()');
    expect(await cluster.explainRoute('SELECT 1')).toMatchObject({ target: 'primary', reason: 'shadow' });
    expect(cluster.getShadowReport()).toEqual({
      replica: 2,
      primary: 1,
      texts: [
        { text: 'SELECT pg_is_in_recovery() AS standby', target: 'replica', reason: 'read', count: 2 },
        {
          text: 'SELECT visit()',
          target: 'primary',
          reason: 'write',
          detail: expect.stringContaining('visit'),
          count: 1,
        },
      ],
    });
    const eventually = { consistency: 'eventual' } as const;
    expect(await cluster.useReplica(eventually, () => isStandby(cluster))).toBe(true);
  });
});

describe('what a replica refuses after all', () => {
  it('runs once more on the primary, and its text goes there from then on', async () => {
    await using cluster = await connected({ routing: { safeFunctions: ['visit'] } });
    const visits = async () => (await admin.query('SELECT FROM visits WHERE id = 1')).rowCount;
    const before = sure(await visits());
    expect((await cluster.query('SELECT visit()')).rows).toEqual([{ visit: 1 }]);
    expect(await visits()).toBe(before + 1);
    expect(cluster.getCounters().retries).toEqual(new Map([['refused-on-standby', 1]]));
    await cluster.query('SELECT visit()');
    expect(await visits()).toBe(before + 2);
    expect(cluster.getCounters().retries).toEqual(new Map([['refused-on-standby', 1]]));
    await expect(cluster.useReplica(() => cluster.query('SELECT visit()'))).rejects.toMatchObject({
      code: 'WRITE_ON_REPLICA',
    });
    await expect(
      cluster.transaction({ readOnly: true }, () => cluster.query('SELECT visit()')),
    ).rejects.toThrow(/read-only/);
  });

  it('for its account, or for a definition that has not arrived, does so too', async () => {
    await using cluster = await connected();
    expect((await cluster.query('SELECT own()')).rows).toEqual([{ own: 1 }]);
    await cluster.query('SELECT own()');
    expect(cluster.getCounters().retries).toEqual(new Map([['replica-differs', 1]]));
    expect(countOf(cluster, 'primary', 'replica-differs')).toBe(2);
    await expect(cluster.useReplica(() => cluster.query('SELECT own()'))).rejects.toMatchObject({
      code: '42501',
    });
  });
});

describe('what depends on the account', () => {
  it('goes to the primary where the replicas have another', async () => {
    await admin.query(`
      CREATE TABLE tenants (id int, owner text);
      ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
      CREATE VIEW own_visits AS SELECT * FROM visits WHERE current_user = 'app_user';
      GRANT SELECT ON tenants, own_visits TO PUBLIC`);
    await using cluster = await connected();
    const { masters, replicas } = database.config;
    const same = replicas.map((node) => ({ ...node, ...sure(masters[0]), ...pick(node) }));
    await using asOne = PgCluster.fromConfig({ ...database.config, replicas: same });
    await asOne.connect();
    for (const text of [
      'SELECT current_user',
      'SELECT user, session_user, current_role',
      `SELECT has_table_privilege('visits', 'INSERT')`,
      'SELECT * FROM tenants',
      'SELECT * FROM own_visits',
      'SELECT table_name FROM information_schema.tables',
    ]) {
      expect([text, (await cluster.explainRoute(text)).reason]).toEqual([text, 'account']);
      expect([text, (await asOne.explainRoute(text)).reason]).toEqual([text, 'read']);
    }
    expect((await cluster.query<{ name: string }>('SELECT current_user AS name')).rows[0]?.name).toBe(
      'app_user',
    );
  });
});

describe('a replica account that looks for names elsewhere', () => {
  it('serves replica scopes alone', async () => {
    const { user } = sure(database.config.replicas[0]);
    const warnings: string[] = [];
    const listen = (warning: Error) => warnings.push(warning.message);
    process.on('warning', listen);
    await admin.query('CREATE SCHEMA elsewhere');
    await admin.query(`ALTER ROLE ${user} IN DATABASE ${database.name} SET search_path = elsewhere`);
    await replayed();
    try {
      await using cluster = await connected();
      expect(await isStandby(cluster)).toBe(false);
      expect(countOf(cluster, 'primary', 'search-path')).toBe(1);
      expect(await cluster.useReplica(() => isStandby(cluster))).toBe(true);
      await until(() => warnings.some((text) => text.includes('search_path')), {
        deadlineMs: 1_000,
        what: 'the warning',
      });
    } finally {
      process.off('warning', listen);
      await admin.query(`ALTER ROLE ${user} IN DATABASE ${database.name} RESET search_path`);
      await replayed();
    }
  });
});
