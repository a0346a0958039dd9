import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queryOnce, withClient } from '../../lib/testing/superuser.js';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';

const ROWS = 1_000;
const CALLERS = 64;
/** For what is not meant to be quick, only not to hang. */
const GENEROUS_MS = 1_000;

let database: FreshDatabase;
let admin: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  admin = new pg.Client({ connectionString: database.adminUrl });
  await admin.connect();
  await admin.query(`
    CREATE TABLE items (id int PRIMARY KEY, name text);
    INSERT INTO items SELECT id, 'item ' || id FROM generate_series(1, ${ROWS}) AS id;
    CREATE TABLE locked (id int);
    CREATE TABLE seen (caller int, value int);
    GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC`);
  await replayed();
});

afterAll(() => admin.end());

async function replayed(): Promise<void> {
  const { rows } = await admin.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  const has = 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS it';
  for (const url of database.replicaUrls)
    await withClient(url, (replica) =>
      until(async () => (await replica.query<{ it: boolean }>(has, [rows[0]?.lsn])).rows[0]?.it, {
        deadlineMs: 10_000,
        what: 'the replicas to have replayed',
      }),
    );
}

let applications = 0;

async function connected(options: ClusterOptions = {}) {
  const applicationName = `shared lane ${++applications}`;
  const cluster = PgCluster.fromConfig(database.config, {
    ...options,
    connectionPool: { ...options.connectionPool, applicationName },
  });
  await cluster.connect();
  return Object.assign(cluster, { applicationName });
}

/** Each caller reads one row after the other, for as long as it is to go on; wrong rows fail. */
async function readRows(
  cluster: PgCluster,
  goesOn: (count: number) => boolean,
  { callers = CALLERS, told = (_ms: number) => {} } = {},
): Promise<number> {
  let count = 0;
  const caller = async (offset: number) => {
    for (let i = offset; goesOn(count); i += 7) {
      count++;
      const id = 1 + (i % ROWS);
      const began = performance.now();
      const { rows } = await (i % 3 === 0
        ? cluster.query('SELECT id, name FROM items WHERE id = $1', [id])
        : cluster.query(`SELECT name, id FROM items WHERE id = $1 /* ${i % 5} */`, [id]));
      told(performance.now() - began);
      expect(rows).toEqual([{ id, name: `item ${id}` }]);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, offset) => caller(offset)));
  return count;
}

const retries = (cluster: PgCluster, reason: string) =>
  [...cluster.getCounters().retries].find(([label]) => label === reason)?.[1] ?? 0;

const connectionsOf = async (url: string, applicationName: string) =>
  withClient(url, async (client) => {
    const sql = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1`;
    return sure((await client.query<{ count: number }>(sql, [applicationName])).rows[0]).count;
  });

describe('reads of many callers', () => {
  it('go through few connections, undecorated and in a replica scope, and get their own rows', async () => {
    // On a busy machine some calls are held up, and go elsewhere: then it is looked at once more.
    let most = Infinity;
    for (let attempt = 0; attempt < 3 && most > 5; attempt++) {
      await using cluster = await connected({ connectionPool: { maxConnections: 20 } });
      await readRows(cluster, (count) => count < 1_000);
      await cluster.useReplica(() => readRows(cluster, (count) => count < 1_000));
      await cluster.useMaster(() => readRows(cluster, (count) => count < 1_000));
      const urls = [database.adminUrl, ...database.replicaUrls];
      most = Math.max(...(await Promise.all(urls.map((url) => connectionsOf(url, cluster.applicationName)))));
    }
    expect(most).toBeLessThanOrEqual(5);
  });

  it('go in one packet to one node where they come together, and to all nodes in turns', async () => {
    await using cluster = await connected();
    const ask = async () => (await cluster.query<{ port: number }>('SELECT inet_server_port() AS port')).rows;
    // Only of a text that is known can it be known to be quick.
    for (let i = 0; i < 20; i++) await ask();
    const ports = new Set<number>();
    let together = 0;
    // By chance it would be one in eight; on a busy machine a text may pass for a slow one for a while.
    for (let round = 0; together < 20; round++) {
      expect(round, `rounds until ${together} went to one node`).toBeLessThan(60);
      const found = (await Promise.all([ask(), ask(), ask(), ask()])).flat().map(({ port }) => port);
      if (new Set(found).size === 1) together++;
      for (const port of found) ports.add(port);
    }
    expect(ports.size).toBe(database.replicaUrls.length);
  });

  it('come to share again after all of them had to wait for a connection of their own', async () => {
    await using cluster = await connected({ connectionPool: { maxConnections: 4 } });
    const pending = () => cluster.getStatus().pendingAcquires;
    // They come when every connection is taken.
    const leases = await Promise.all(Array.from({ length: 4 }, () => cluster.getMasterConnection()));
    let isOver = false;
    const reading = cluster.useMaster(() => readRows(cluster, () => !isOver));
    try {
      await until(() => pending() === CALLERS, { deadlineMs: 5_000, what: 'all callers to wait' });
      await Promise.all(leases.map((lease) => lease.release()));
      await until(() => pending() === 0, { deadlineMs: 5_000, what: 'nobody to wait any more' });
    } finally {
      isOver = true;
      await reading;
    }
  });

  it('have nothing of what another one sets for its own transaction', async () => {
    await using cluster = await connected();
    const settings = async (tenant: string) =>
      (
        await Promise.all([
          cluster.query(`SELECT set_config('shared.tenant', $1, true) AS it`, [tenant]),
          cluster.query(`SELECT current_setting('shared.tenant', $1) AS it`, [true]),
        ])
      ).map(({ rows }) => sure(rows[0]).it || undefined);
    for (let time = 0; time < 20; time++) expect(await settings(`t${time}`)).toEqual([`t${time}`, undefined]);
  });

  it('see what their session has written', async () => {
    await using cluster = await connected();
    const caller = (id: number) =>
      cluster.session.resume(undefined, async () => {
        for (let value = 1; value <= 5; value++) {
          await cluster.query('INSERT INTO seen VALUES ($1, $2)', [id, value]);
          const { rows } = await cluster.query('SELECT max(value) AS value FROM seen WHERE caller = $1', [
            id,
          ]);
          expect(rows).toEqual([{ value }]);
        }
      });
    await Promise.all(Array.from({ length: CALLERS }, (_, id) => caller(id)));
  });

  it('leave what writes, locks, streams, explains or is several statements to connections of its own', async () => {
    await using cluster = await connected();
    await admin.query('CREATE TABLE mixed (id int); GRANT ALL ON mixed TO PUBLIC');
    await replayed();
    const others = async (id: number) => {
      await cluster.query('INSERT INTO mixed VALUES ($1)', [id]);
      const locked = await cluster.query('SELECT id FROM items WHERE id = $1 FOR UPDATE', [id]);
      expect(locked.rows).toEqual([{ id }]);
      const explained = await cluster.query('EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1');
      expect(explained.rows[0]['QUERY PLAN'][0]).toHaveProperty('Plan');
      const several = (await cluster.query(
        `SELECT ${id} AS a; SELECT ${id + 1} AS b`,
      )) as unknown as pg.QueryResult[];
      expect(several.map(({ rows }) => rows)).toEqual([[{ a: id }], [{ b: id + 1 }]]);
      await cluster.transaction(async () => {
        await cluster.query('INSERT INTO mixed VALUES ($1)', [id]);
        const { rows } = await cluster.query('SELECT count(*)::int AS count FROM mixed WHERE id = $1', [id]);
        expect(rows).toEqual([{ count: 2 }]);
      });
      await using lease = await cluster.getReplicaConnection();
      expect((await lease.query('SELECT $1::int AS id', [id])).rows).toEqual([{ id }]);
    };
    let isOver = false;
    const reading = readRows(cluster, () => !isOver, { callers: 16 });
    try {
      for (let round = 0; round < 5; round++)
        await Promise.all(Array.from({ length: 6 }, (_, id) => others(1 + id + 10 * round)));
    } finally {
      isOver = true;
      await reading;
    }
    expect((await admin.query('SELECT count(*)::int AS count FROM mixed')).rows).toEqual([{ count: 60 }]);
  });

  it('do not teach writes to share: one that waits on a lock has none of the others run twice', async () => {
    await using cluster = await connected();
    await admin.query('CREATE TABLE once (id int); GRANT ALL ON once TO PUBLIC');
    await admin.query('BEGIN; LOCK locked IN ACCESS EXCLUSIVE MODE');
    const waiting = cluster.query('INSERT INTO locked SELECT 1 WHERE false');
    try {
      const blocked = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO locked%'`;
      const others = Promise.all(
        Array.from({ length: 30 }, (_, id) => cluster.query('INSERT INTO once VALUES ($1)', [id])),
      );
      await until(async () => (await queryOnce(database.adminUrl, blocked)).rowCount, {
        deadlineMs: 5_000,
        what: 'the write to wait',
      });
      await others;
    } finally {
      await admin.query('COMMIT');
      await waiting;
    }
    const { rows } = await admin.query(
      'SELECT count(*)::int AS count, count(DISTINCT id)::int AS ids FROM once',
    );
    expect(rows).toEqual([{ count: 30, ids: 30 }]);
  });

  it('tell of an error where it was called', async () => {
    await using cluster = await connected();
    async function whoAsks(text: string): Promise<void> {
      await cluster.query(text, [0]);
    }
    for (let round = 0; round < 4; round++) {
      const failing = Array.from({ length: 10 }, () =>
        whoAsks('SELECT 1 / $1::int').then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
      await readRows(cluster, (count) => count < 50);
      for (const error of await Promise.all(failing)) {
        expect(error).toMatchObject({ code: '22012' });
        expect((error as Error).stack).toContain('whoAsks');
      }
    }
  });

  it('tell what is wrong with their statement, however many of them fail together', async () => {
    await using cluster = await connected();
    const failing = Array.from({ length: 3 * CALLERS }, () =>
      expect(cluster.query('SELECT nowhere FROM items WHERE id = $1', [1])).rejects.toMatchObject({
        code: '42703',
      }),
    );
    await Promise.all(failing);
  });
});

describe('one read that waits on a lock', () => {
  const SLOW = 'SELECT count(*)::int AS count FROM locked';

  it('holds up no other, goes on, and is on a connection of its own next time', async () => {
    await using cluster = await connected();
    await cluster.useMaster(async () => {
      await readRows(cluster, (count) => count < 2_000);
      for (let use = 0; use < 3; use++) await cluster.query(SLOW);
      const before = retries(cluster, 'held-up');
      const waited = await whileLocked(cluster, SLOW);
      expect(waited.longestMs).toBeLessThan(GENEROUS_MS);
      expect(waited.rows).toEqual([{ count: 0 }]);
      const after = retries(cluster, 'held-up');
      expect(after).toBeGreaterThan(before);
      // On a busy machine others may be held up by chance; by this one they are each time.
      const more = [];
      for (let time = 0; time < 2; time++) {
        const sofar = retries(cluster, 'held-up');
        await whileLocked(cluster, SLOW);
        more.push(retries(cluster, 'held-up') - sofar);
      }
      expect(Math.min(...more)).toBe(0);
    });
  });

  it('keeps no other waiting that went out with it, and waits at the server once, each', async () => {
    await using cluster = await connected();
    await cluster.useMaster(async () => {
      const [quick, slow] = [`SELECT $1::int AS it FROM items WHERE id = 1`, `${SLOW} WHERE id = $1`];
      const all = () =>
        [cluster.query(quick, [7]), cluster.query(slow, [0]), cluster.query(slow, [1])] as const;
      // By then they are known as quick, and go together; on a busy machine they may not, and this says less.
      for (let use = 0; use < 10; use++) await Promise.all(all());
      await admin.query('BEGIN; LOCK locked IN ACCESS EXCLUSIVE MODE');
      try {
        const [first, ...others] = all();
        expect((await first).rows).toEqual([{ it: 7 }]);
        const waiting = `SELECT count(*)::int AS count FROM pg_stat_activity
          WHERE application_name = $1 AND wait_event_type = 'Lock' AND query = $2`;
        await withClient(database.adminUrl, (client) =>
          until(
            async () =>
              (await client.query<{ count: number }>(waiting, [cluster.applicationName, slow])).rows[0]
                ?.count === 2,
            { deadlineMs: 5_000, what: 'the first attempts to be cancelled' },
          ),
        );
        await admin.query('COMMIT');
        for (const other of others) expect((await other).rows).toEqual([{ count: 0 }]);
      } finally {
        await admin.query('ROLLBACK');
      }
    });
  });

  async function whileLocked(cluster: PgCluster, text: string) {
    let longestMs = 0;
    let isOver = false;
    await admin.query('BEGIN; LOCK locked IN ACCESS EXCLUSIVE MODE');
    const reading = readRows(cluster, () => !isOver, { told: (ms) => (longestMs = Math.max(longestMs, ms)) });
    const slow = cluster.query(text);
    let rows: unknown;
    try {
      const blocked = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query = $1
        AND now() - query_start > interval '1 second'`;
      await until(
        async () => (await withClient(database.adminUrl, (client) => client.query(blocked, [text]))).rowCount,
        {
          deadlineMs: 10_000,
          what: 'the read to have waited for a second',
        },
      );
    } finally {
      await admin.query('COMMIT');
      ({ rows } = await slow);
      isOver = true;
      await reading;
    }
    return { longestMs, rows };
  }
});

describe('statement_timeout', () => {
  it('cancels a read that takes too long, and no other', async () => {
    await using cluster = await connected({ connectionPool: { statementTimeout: '300ms' } });
    await readRows(cluster, (count) => count < 500);
    let isOver = false;
    const reading = readRows(cluster, () => !isOver, { callers: 16 });
    const long = 'SELECT count(*) FROM generate_series(1, 1000000000)';
    await expect(cluster.query(long)).rejects.toMatchObject({ code: '57014' });
    isOver = true;
    await reading;
  });
});

describe('prepare: false', () => {
  it.each([
    [false, 0],
    [true, 1],
  ])('%s: what the servers have prepared', async (prepare, least) => {
    await using cluster = await connected({ connectionPool: { prepare } });
    await readRows(cluster, (count) => count < 1_000);
    for (const scope of ['useReplica', 'useMaster'] as const) {
      await cluster[scope](() => readRows(cluster, (count) => count < 500));
      const counts = await Promise.all(
        Array.from({ length: 30 }, () =>
          cluster[scope](() =>
            cluster.query<{ count: number }>('SELECT count(*)::int AS count FROM pg_prepared_statements'),
          ),
        ),
      );
      const most = Math.max(...counts.map(({ rows }) => sure(rows[0]).count));
      if (least === 0) expect(most).toBe(0);
      else expect(most).toBeGreaterThanOrEqual(least);
    }
  });
});

describe('a replica that dies', () => {
  let servers: EmbeddedCluster;
  beforeAll(async () => {
    servers = await EmbeddedCluster.start({ replicas: 2 });
    await servers.primary.query(
      `CREATE TABLE items AS SELECT id, 'item ' || id AS name FROM generate_series(1, ${ROWS}) AS id`,
    );
    await servers.primary.query('CREATE UNIQUE INDEX ON items (id)');
    await servers.primary.query('GRANT ALL ON items TO PUBLIC');
  });
  afterAll(() => servers.stop());

  it('fails none of the reads that were on their way', async () => {
    await using cluster = PgCluster.fromConfig(servers.config, {
      healthCheck: { interval: '200ms', timeout: '400ms' },
      consistency: 'eventual',
    });
    await cluster.connect();
    await readRows(cluster, (count) => count < 2_000);
    let isOver = false;
    let begun = 0;
    const reading = readRows(cluster, (count) => ((begun = count), !isOver));
    const victim = sure(servers.replicas[0]);
    await until(() => begun > 2_000, { deadlineMs: 5_000, what: 'the reads to be under way' });
    // So that calls are on their way when it dies, however quick it is.
    await victim.freeze();
    const status = () => sure(cluster.getStatus().nodes.find(({ port }) => port === victim.port));
    await until(() => status().pool.active > 0, { deadlineMs: 5_000, what: 'calls to wait there' });
    await victim.kill();
    await until(() => status().health === 'down', { deadlineMs: 5_000, what: 'the replica to be down' });
    isOver = true;
    await reading;
    expect(retries(cluster, 'connection-lost') + retries(cluster, 'not-sent')).toBeGreaterThan(0);
    await victim.start();
    const up = () => cluster.getStatus().nodes.every(({ health }) => health === 'up');
    await until(up, { deadlineMs: 10_000, what: 'all to be up' });
    await readRows(cluster, (count) => count < 2_000);
  });
});
