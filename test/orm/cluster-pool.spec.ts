import { PgCluster } from 'nestjs-pg-mcp';
import { ClusterPool } from 'nestjs-pg-mcp/orm';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';
import { givenBack } from './contract.js';

let cluster: PgCluster;
let pool: PgCluster['pool'];

const WHERE = 'SELECT pg_is_in_recovery() AS standby, count(*)::int AS n FROM notes';
const PUT = 'INSERT INTO notes (text) VALUES ($1)';

beforeAll(async () => {
  const database = await freshDatabase();
  cluster = PgCluster.fromConfig(database.config, {
    healthCheck: { interval: '100ms' },
    connectionPool: { maxConnections: 2, acquireTimeout: '3s' },
  });
  await cluster.connect();
  await cluster.query('CREATE TABLE notes (id serial PRIMARY KEY, text text)');
  ({ pool } = cluster);
});

afterAll(() => cluster.close());

beforeEach(async () => {
  await cluster.query('TRUNCATE notes');
  await caughtUp();
});

/** Until replicas serve this session's reads again. */
const caughtUp = () =>
  until(async () => (await pool.query(WHERE)).rows[0].standby, {
    deadlineMs: 5_000,
    what: 'a replica to have it',
  });

describe('pool.query', () => {
  it('sends reads to replicas, writes to the primary, and reads what was written', async () => {
    expect((await pool.query(WHERE)).rows).toEqual([{ standby: true, n: 0 }]);
    expect(await pool.query(PUT, ['a'])).toMatchObject({ command: 'INSERT', rowCount: 1 });
    expect((await pool.query(WHERE)).rows[0].n).toBe(1);
  });

  it('takes what pg takes', async () => {
    expect(
      (await pool.query({ text: 'SELECT $1::text AS t', values: ['x'], rowMode: 'array' })).rows,
    ).toEqual([['x']]);
    expect((await pool.query({ text: 'SELECT $1::int AS n', name: 'mine' }, [7])).rows).toEqual([{ n: 7 }]);
    const [error, result] = await new Promise<[Error | null, pg.QueryResult]>((resolve) => {
      pool.query('SELECT 1 AS one', (failure: Error, found: pg.QueryResult) => resolve([failure, found]));
    });
    expect(error).toBeUndefined();
    expect(result.rows).toEqual([{ one: 1 }]);
    const failure = await new Promise<Error>((resolve) => pool.query('SELECT $1::int', ['x'], resolve));
    expect(failure).toMatchObject({ code: '22P02' });
    expect((await pool.query('SELECT 1 AS one', null)).rows).toEqual([{ one: 1 }]);
    expect((await pool.query({ text: 'SELECT 2 AS two', values: null as never })).rows).toEqual([{ two: 2 }]);
    const given = { text: 'SELECT $1::int AS n', values: [3] };
    expect((await pool.query(given, false)).rows).toEqual([{ n: 3 }]);
    await expect(pool.query('SELEC')).rejects.toMatchObject({ code: '42601' });
  });

  it('takes what submits itself', async () => {
    const rows = await new Promise<unknown[]>((resolve, reject) => {
      pool.query(
        new pg.Query('SELECT pg_is_in_recovery()') as never,
        (error: Error, found: pg.QueryResult) => (error ? reject(error) : resolve(found.rows)),
      );
    });
    expect(rows).toHaveLength(1);
  });

  it('takes a SET, which leaves nothing behind', async () => {
    await pool.query(`SET application_name = 'left behind'`);
    expect((await pool.query('SELECT pg_is_in_recovery()')).rows).toHaveLength(1);
    const names = await Promise.all(
      Array.from({ length: 6 }, () =>
        cluster.useMaster(() =>
          cluster.query<{ n: string }>(`SELECT current_setting('application_name') AS n`),
        ),
      ),
    );
    expect(new Set(names.map(({ rows }) => rows[0]?.n))).toEqual(new Set(['nestjs-pg-mcp']));
  });
});

describe('a client', () => {
  it('reads on a replica until it begins, and then is on the primary until its release', async () => {
    const client = await pool.connect();
    expect((await client.query(WHERE)).rows[0].standby).toBe(true);
    await client.query('BEGIN');
    expect((await client.query(WHERE)).rows[0].standby).toBe(false);
    await client.query(PUT, ['a']);
    expect((await cluster.query(WHERE)).rows[0].n).toBe(0);
    await client.query('COMMIT');
    expect((await client.query(WHERE)).rows[0].standby).toBe(false);
    client.release();
    await caughtUp();
    const again = await pool.connect();
    expect((await again.query(WHERE)).rows).toEqual([{ standby: true, n: 1 }]);
    again.release();
  });

  it('is bound by a write, so that what others build on it is there', async () => {
    const client = await pool.connect();
    await client.query(PUT, ['a']);
    expect((await client.query('SELECT lastval()')).rows).toHaveLength(1);
    client.release();
  });

  it('reads in a READ ONLY transaction on a replica', async () => {
    const client = await pool.connect();
    await client.query('BEGIN READ ONLY');
    expect((await client.query(WHERE)).rows[0].standby).toBe(true);
    await client.query('COMMIT');
    client.release();
  });

  it('rolls back what was left open at its release', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query(PUT, ['a']);
    client.release();
    expect((await cluster.useMaster(() => cluster.query(WHERE))).rows[0].n).toBe(0);
  });

  it('runs its statements in their order, awaited or not', async () => {
    const client = await pool.connect();
    const all = [
      client.query('BEGIN'),
      client.query(PUT, ['a']),
      client.query(WHERE),
      client.query('ROLLBACK'),
    ];
    const results = await Promise.all(all);
    expect(results[2]?.rows[0]).toEqual({ standby: false, n: 1 });
    client.release();
  });

  it('runs on its connection what was asked of it before its release', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    const asked = [client.query(PUT, ['a']), client.query('COMMIT')];
    client.release();
    await Promise.all(asked);
    expect((await cluster.useMaster(() => cluster.query(WHERE))).rows[0].n).toBe(1);
    await givenBack(cluster);
  });

  it('hears notifications', async () => {
    const client = await pool.connect();
    const heard = new Promise<pg.Notification>((resolve) => client.once('notification', resolve));
    await client.query('LISTEN news');
    await cluster.query(`NOTIFY news, 'extra'`);
    expect((await heard).payload).toBe('extra');
    client.release();
  });

  it('hears no more of a connection once that has been given back', async () => {
    const say = `DO $$ BEGIN RAISE NOTICE 'heard'; END $$`;
    const client = await pool.connect();
    const heard: (string | undefined)[] = [];
    const hear = ({ message }: { message?: string | undefined }) => heard.push(message);
    client.on('notice', hear);
    await client.query('BEGIN');
    await client.query(say);
    await client.query('ROLLBACK');
    expect(heard).toEqual(['heard']);
    client.release();
    await givenBack(cluster);
    // All connections to the primary: the one it had is among them.
    const leases = await Promise.all([cluster.getMasterConnection(), cluster.getMasterConnection()]);
    await Promise.all(leases.map((lease) => lease.query(say)));
    await Promise.all(leases.map((lease) => lease.release()));
    expect(heard).toEqual(['heard']);
    client.off('notice', hear);
  });

  it('whose server session is ended while nobody listens ends no process', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
    expect(client.listenerCount('error')).toBe(0);
    // As lost, or as left in a transaction: by whether its end or its release is seen first.
    const closed = () => cluster.getCounters().connections.flatMap(({ closed }) => [...closed.values()]);
    const before = sum(closed());
    await cluster.useMaster(() => cluster.query('SELECT pg_terminate_backend($1)', [rows[0].pid]));
    const isGone = async () => {
      const alive = await cluster.useMaster(() =>
        cluster.query('SELECT FROM pg_stat_activity WHERE pid = $1', [rows[0].pid]),
      );
      return alive.rowCount === 0;
    };
    await until(isGone, { deadlineMs: 2_000, what: 'its server session to end' });
    client.release();
    await until(() => sum(closed()) > before, { deadlineMs: 2_000, what: 'the connection to be closed' });
  });

  it('whose server session is ended takes nobody with it', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
    await cluster.useMaster(() => cluster.query('SELECT pg_terminate_backend($1)', [rows[0].pid]));
    await expect(client.query(WHERE)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    client.release(true);
    expect((await pool.query(WHERE)).rows).toHaveLength(1);
  });
});

describe('a client that is released', () => {
  it('keeps no connection for what is asked of it afterwards', async () => {
    const client = await pool.connect();
    client.release();
    await client.query(PUT, ['a']);
    expect((await client.query(WHERE)).rows[0].n).toBe(1);
    await until(() => cluster.getStatus().activeConnections === 0, {
      deadlineMs: 2_000,
      what: 'it to be back',
    });
  });

  it('is refused what the next user would have to live with', async () => {
    const client = await pool.connect();
    client.release();
    for (const text of ['BEGIN', `SET work_mem = '7MB'`])
      await expect(client.query(text)).rejects.toMatchObject({ code: 'SESSION_STATEMENT' });
    const next = await pool.connect();
    expect(next).toBe(client);
    expect((await next.query(`SELECT current_setting('work_mem') AS mem`)).rows).toEqual([{ mem: '4MB' }]);
    next.release();
  });
});

describe('what a new client is told', () => {
  const MEM = `SELECT current_setting('work_mem') AS mem, current_setting('search_path') AS path`;
  const SET = `SET work_mem = '5MB'`;

  it.each<[string, (narrow: ClusterPool) => void]>([
    ['on connect', (narrow) => void narrow.on('connect', (client) => void client.query(SET))],
    [
      'by onConnect',
      ({ options }) => Object.assign(options, { onConnect: (client: pg.Client) => client.query(SET) }),
    ],
  ])('%s holds for all who will have it, and what they SET does not', async (_how, tell) => {
    const narrow = narrowPool();
    tell(narrow);
    for (const path of ['one', 'two']) {
      const client = await narrow.connect();
      expect((await client.query(MEM)).rows[0]).toEqual({ mem: '5MB', path: '"$user", public' });
      await client.query(`SET search_path = ${path}; SET work_mem = '6MB'`);
      expect((await client.query(MEM)).rows[0]).toEqual({ mem: '6MB', path });
      client.release();
    }
    expect((await narrow.query(MEM)).rows[0]).toMatchObject({ mem: '5MB' });
    await narrow.end();
    expect((await pool.query(MEM)).rows[0]).toMatchObject({ mem: '4MB' });
  });
});

describe('in a scope', () => {
  it('of a transaction everything joins it, and BEGIN is a savepoint', async () => {
    await cluster.transaction(async () => {
      await pool.query(PUT, ['outer']);
      const client = await pool.connect();
      expect((await client.query(WHERE)).rows).toEqual([{ standby: false, n: 1 }]);
      await client.query('BEGIN');
      await client.query(PUT, ['undone']);
      await client.query('SAVEPOINT mine');
      await client.query(PUT, ['undone, too']);
      await client.query('ROLLBACK TO SAVEPOINT mine');
      expect((await client.query(WHERE)).rows[0].n).toBe(2);
      await client.query('ROLLBACK');
      await client.query('BEGIN');
      await client.query(PUT, ['kept']);
      await client.query('COMMIT');
      client.release();
      expect((await pool.query(WHERE)).rows[0].n).toBe(2);
    });
    expect(
      (await pool.query('SELECT text FROM notes ORDER BY id')).rows.map((row: { text: string }) => row.text),
    ).toEqual(['outer', 'kept']);
  });

  it('of a transaction that fails, what an ORM has committed in it is undone as well', async () => {
    const failing = cluster.transaction(async () => {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query(PUT, ['a']);
      await client.query('COMMIT');
      client.release();
      throw new Error('sick');
    });
    await expect(failing).rejects.toThrow('sick');
    expect((await pool.query(WHERE)).rows[0].n).toBe(0);
  });

  it('of a replica it reads there, and a write is refused', async () => {
    await cluster.useReplica(async () => {
      const client = await pool.connect();
      await client.query('BEGIN');
      expect((await client.query(WHERE)).rows[0].standby).toBe(true);
      await client.query('COMMIT');
      await expect(client.query(PUT, ['a'])).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA' });
      client.release();
      await expect(pool.query(PUT, ['a'])).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA' });
    });
  });

  it('of the primary it reads there', async () => {
    await cluster.useMaster(async () => {
      expect((await pool.query(WHERE)).rows[0].standby).toBe(false);
    });
  });

  it('goes on in it where it waited for a client', async () => {
    const narrow = narrowPool();
    const client = await narrow.connect();
    const waiting = cluster.useMaster(
      () =>
        new Promise<boolean>((resolve, reject) => {
          narrow.connect((_error: Error, client: pg.PoolClient, release: () => void) => {
            client.query(WHERE, (error, found) => {
              release();
              if (error) reject(error);
              else resolve(found.rows[0].standby);
            });
          });
        }),
    );
    expect(narrow.waitingCount).toBe(1);
    client.release();
    expect(await waiting).toBe(false);
    expect([narrow.waitingCount, narrow.idleCount, narrow.totalCount]).toEqual([0, 1, 1]);
  });

  it('of a transaction it waits for no client: whoever has it may wait for the connection of this', async () => {
    const narrow = narrowPool();
    const client = await narrow.connect();
    await cluster.transaction(async () => {
      const joined = await narrow.connect();
      expect((await joined.query(WHERE)).rows[0].standby).toBe(false);
      joined.release();
    });
    client.release();
  });
});

const narrowPool = () =>
  new ClusterPool(pool.calls, { max: 1, connectionTimeoutMillis: 1_000, database: 'any' });

it('keeps no more clients than some, once many were out', async () => {
  const clients = await Promise.all(Array.from({ length: 150 }, () => pool.connect()));
  for (const client of clients) client.release();
  await until(() => pool.totalCount === 100, { deadlineMs: 1_000, what: 'the others to go' });
  expect(pool.idleCount).toBe(100);
});

it('has those wait for as long as they may who find none idle', async () => {
  const narrow = narrowPool();
  (await narrow.connect()).release();
  const [first, second] = await Promise.allSettled([narrow.connect(), narrow.connect()]);
  expect(second).toMatchObject({ reason: { message: 'timeout exceeded when trying to connect' } });
  expect([narrow.totalCount, narrow.idleCount, narrow.waitingCount]).toEqual([1, 0, 0]);
  if (first.status === 'fulfilled') first.value.release();
  expect(narrow.idleCount).toBe(1);
});

it('ends when those are back who were about to get a client', async () => {
  const narrow = narrowPool();
  (await narrow.connect()).release();
  const getting = narrow.connect();
  let hasEnded = false;
  const ending = narrow.end().then(() => (hasEnded = true));
  const client = await getting;
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  expect(hasEnded).toBe(false);
  client.release();
  await ending;
  expect(narrow.totalCount).toBe(0);
});

it('tells of clients that come and go', async () => {
  const told: string[] = [];
  const events = ['acquire', 'release'] as const;
  const listeners = events.map((event) => [event, () => void told.push(event)] as const);
  for (const [event, listener] of listeners) pool.on(event, listener);
  await pool.query('SELECT 1');
  for (const [event, listener] of listeners) pool.off(event, listener);
  expect(told).toEqual(['acquire', 'release']);
});

it('is a pg.Pool, and its end is not that of the cluster', async () => {
  const database = await freshDatabase();
  await using other = PgCluster.fromConfig(database.config);
  await other.connect();
  expect(other.pool).toBeInstanceOf(pg.Pool);
  const slow = other.pool.query('SELECT pg_sleep(0.2)');
  let isDone = false;
  void slow.then(() => (isDone = true));
  await other.pool.end();
  expect(isDone).toBe(true);
  await expect(other.pool.query('SELECT 1')).rejects.toThrow(
    'Cannot use a pool after calling end on the pool',
  );
  expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
