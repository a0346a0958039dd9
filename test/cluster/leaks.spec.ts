import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PgCluster, type ClusterOptions, type Lease, type LeakEvent } from 'nestjs-pg-mcp';
import type { Client, Notification } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { queryOnce } from '../../lib/testing/superuser.js';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

let database: FreshDatabase;
let cluster: PgCluster;
let told: LeakEvent[];
let countedBefore: ReadonlyMap<LeakEvent['kind'], number>;

beforeAll(async () => {
  database = await freshDatabase();
});

/** One connection a node, so that one that does not come back is missed. */
async function open(options: ClusterOptions) {
  const opened = PgCluster.fromConfig(database.config, {
    connectionPool: { minConnections: 1, maxConnections: 1, acquireTimeout: '2s' },
    shutdown: { drainTimeout: '0s' },
    ...options,
  });
  opened.on('leak', (event) => told.push(event));
  await opened.connect();
  return opened;
}

/** One cluster for the tests of a block. */
function watching(leakDetection: ClusterOptions['leakDetection']) {
  beforeAll(async () => {
    told = [];
    cluster = await open({ leakDetection });
  });
  beforeEach(() => {
    told = [];
    countedBefore = cluster.getCounters().leaks;
  });
  afterAll(() => cluster.close());
}

const toldOf = (...states: LeakEvent['state'][]) =>
  until(() => states.every((state) => told.some((event) => event.state === state)), {
    deadlineMs: 5_000,
    what: `to be told of ${states.join(', ')}`,
  });

const states = () => told.map(({ state }) => state);

/** Since the test began. */
const counted = () =>
  [...cluster.getCounters().leaks].flatMap(([kind, count]) =>
    Array.from({ length: count - (countedBefore.get(kind) ?? 0) }, () => kind),
  );

describe('a lease held past the threshold', () => {
  watching({ threshold: '150ms' });

  it('is told of once, by what is known of it, and when it comes back', async () => {
    // Long enough for two statements on a machine that has much to do.
    await using patient = await open({ leakDetection: { threshold: '1s' } });
    async function forgetful() {
      const lease = await patient.getMasterConnection();
      await lease.query('BEGIN');
      await lease.query('SELECT $1::text AS answer', ['a secret value']);
      return lease;
    }
    const lease = await forgetful();
    await toldOf('held');
    expect(told).toHaveLength(1);
    const [event] = told;
    expect(event).toMatchObject({
      cluster: 'default',
      state: 'held',
      kind: 'lease',
      role: 'primary',
      node: lease.node,
      transactionStatus: 'in-transaction',
      lastStatement: 'SELECT $1::text AS answer',
    });
    expect(event?.heldMs).toBeGreaterThanOrEqual(1_000);
    expect(event?.stack?.split('\n')[0]).toMatch(/at forgetful .*leaks\.spec\.ts:\d+/);
    await lease.query('COMMIT');
    await lease.release();
    expect(told.map(({ state, transactionStatus }) => [state, transactionStatus])).toEqual([
      ['held', 'in-transaction'],
      ['recovered', 'idle'],
    ]);
    expect(JSON.stringify(told)).not.toContain('secret');
    expect([...patient.getCounters().leaks]).toContainEqual(['lease', 1]);
  });

  it('is not, when it comes back in time', async () => {
    await (await cluster.getReplicaConnection()).release();
    // This one was taken later, and is told of.
    const lease = await cluster.getMasterConnection();
    await toldOf('held');
    await lease.release();
    expect(told.map(({ role }) => role)).toEqual(['primary', 'primary']);
  });

  it('is not, where detection is off', async () => {
    await using off = await open({});
    const lease = await off.getMasterConnection();
    await lease.query('SELECT pg_sleep(0.3)');
    await lease.release();
    expect(told).toEqual([]);
  });

  it('is told of when the cluster is closed', async () => {
    const closing = await open({ leakDetection: { threshold: '1h' } });
    const lease = await closing.getMasterConnection();
    await lease.query('BEGIN');
    await closing.close();
    expect(told).toMatchObject([{ state: 'open', kind: 'lease', lastStatement: 'BEGIN' }]);
    await lease.release();
    expect(told).toHaveLength(1);
  });

  it('may lose its connection, which ends nothing but that', async () => {
    const lease = await cluster.getMasterConnection();
    const { processID } = lease.client as { processID: number };
    await queryOnce(database.adminUrl, 'SELECT pg_terminate_backend($1)', [processID]);
    await toldOf('held');
    await expect(lease.query('SELECT 1')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await lease.release();
    expect(states()).toEqual(['held', 'recovered']);
  });

  it('is a process warning where nobody listens', async () => {
    await using silent = PgCluster.fromConfig(database.config, { leakDetection: { threshold: '150ms' } });
    await silent.connect();
    const warnings: string[] = [];
    const listen = ({ message }: Error) => void warnings.push(message);
    process.on('warning', listen);
    const lease = await silent.getConnection();
    await until(() => warnings.length > 0, { deadlineMs: 5_000, what: 'a warning' });
    process.off('warning', listen);
    await lease.release();
    expect(warnings.join('\n')).toMatch(/a lease on \S+ \(primary\) has been held for .*\n.*leaks\.spec\.ts/);
  });
});

describe('everybody else who keeps a connection is told of as well', () => {
  watching({ threshold: '150ms' });

  it.each<[LeakEvent['kind'], string, () => Promise<unknown>]>([
    [
      'client',
      'BEGIN',
      async () => {
        const client = await cluster.pool.connect();
        await client.query('BEGIN');
        await toldOf('held');
        await client.query('COMMIT');
        client.release();
      },
    ],
    [
      'transaction',
      'SELECT 2',
      () =>
        cluster.transaction(async () => {
          await cluster.query('SELECT 2');
          await toldOf('held');
        }),
    ],
    [
      'session',
      'SELECT 3',
      () =>
        cluster.useReplica({ session: true }, async () => {
          await cluster.query('SELECT 3');
          await toldOf('held');
        }),
    ],
    [
      'stream',
      'FETCH 1 FROM pg_mcp_1',
      async () => {
        const rows = cluster.stream('SELECT generate_series(1, 9)', [], { batchSize: 1 });
        await rows.next();
        await rows.next();
        await toldOf('held');
        await rows.return();
      },
    ],
    [
      'stream',
      'COPY (SELECT generate_series(1, 100000)\n) TO STDOUT WITH (FORMAT text)',
      async () => {
        const rows = cluster.copyTo('SELECT generate_series(1, 100000)');
        await rows[Symbol.asyncIterator]().next();
        await toldOf('held');
        rows.destroy();
      },
    ],
  ])('%s: %s', async (kind, lastStatement, keep) => {
    await keep();
    await toldOf('recovered');
    expect(states()).toEqual(['held', 'recovered']);
    expect(told[0]).toMatchObject({ kind, lastStatement });
    expect(told[0]?.stack).toContain('leaks.spec.ts');
    expect(counted()).toEqual([kind]);
  });
});

describe('a lease that is dropped', () => {
  watching({ threshold: '1200ms' });

  /** What the test itself has seen must be garbage too, so each takes its lease in a function of its own. */
  const untilCollected = () =>
    until(
      () => {
        collectGarbage();
        return told.some(({ state }) => state === 'collected');
      },
      { deadlineMs: 5_000, what: 'the lease to be collected' },
    );

  const openedOnPrimary = () => {
    const { primary } = cluster.getStatus();
    return cluster.getCounters().connections.find(({ node }) => node === primary)?.opened ?? NaN;
  };

  it.each<[string, string, number]>([
    ['as it should be', 'SELECT 1', 0],
    ['with something left in its session', `SET application_name = 'left'`, 0],
    ['with an open transaction', 'BEGIN', 1],
  ])('%s: its connection is the pool’s again', async (_, text, opened) => {
    const before = openedOnPrimary();
    await (async () => void (await (await cluster.getMasterConnection()).query(text)))();
    await untilCollected();
    const name = `SELECT current_setting('application_name') AS name`;
    const { rows } = await cluster.useMaster(() => cluster.query(name));
    expect(rows).toEqual([{ name: 'nestjs-pg-mcp' }]);
    expect(told.map(({ state, lastStatement }) => [state, lastStatement])).toEqual([['collected', text]]);
    expect(openedOnPrimary() - before).toBe(opened);
    expect(counted()).toEqual(['lease']);
  });

  it('under a statement: that is waited for', async () => {
    const running = (async () =>
      (await cluster.getMasterConnection()).query('SELECT pg_sleep(0.3), 7 AS n'))();
    await untilCollected();
    expect((await running).rows[0]).toMatchObject({ n: 7 });
    await cluster.useMaster(() => cluster.query('SELECT 1'));
  });

  it('with the object that took it and keeps it', async () => {
    class Service {
      lease: unknown;
      async take() {
        this.lease = await cluster.getMasterConnection();
      }
    }
    await (async () => new Service().take())();
    await toldOf('held');
    await untilCollected();
    expect(told.map(({ state }) => state)).toEqual(['held', 'collected']);
    expect(counted()).toEqual(['lease']);
  });

  it.each<[string, string, number]>([
    ['a temporary table', 'CREATE TEMP TABLE IF NOT EXISTS scratch ()', 0],
    ['BEGIN', 'BEGIN', 1],
  ])('and so is that of a client of the pool after %s', async (_, text, opened) => {
    const before = openedOnPrimary();
    await (async () => void (await (await cluster.pool.connect()).query(text)))();
    await untilCollected();
    await until(() => cluster.pool.totalCount === 0, {
      deadlineMs: 5_000,
      what: 'the pool to count it no more',
    });
    expect((await cluster.useMaster(() => cluster.query('SELECT 1 AS one'))).rows).toEqual([{ one: 1 }]);
    expect(told).toMatchObject([{ state: 'collected', kind: 'client', lastStatement: text }]);
    expect(told[0]?.stack).toContain('leaks.spec.ts');
    expect(openedOnPrimary() - before).toBe(opened);
  });

  it('a client that is listened to is in use', async () => {
    const heard = new Promise<string | undefined>((resolve) => {
      void (async () => {
        const client = await cluster.pool.connect();
        client.once('notification', ({ payload }: Notification) => {
          client.release();
          resolve(payload);
        });
        await client.query('LISTEN news');
      })();
    });
    await until(() => cluster.getStatus().activeConnections === 1, {
      deadlineMs: 2_000,
      what: 'it to listen',
    });
    await toldOf('held');
    for (let round = 0; round < 5; round++) {
      collectGarbage();
      await setImmediate();
    }
    await queryOnce(database.adminUrl, `NOTIFY news, 'extra'`);
    expect(await heard).toBe('extra');
    await toldOf('recovered');
    expect(states()).toEqual(['held', 'recovered']);
  });

  it('but whose client is in use is not touched', async () => {
    const client = await (async () => (await cluster.getMasterConnection()).client as Client)();
    for (let round = 0; round < 5; round++) {
      collectGarbage();
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    }
    expect(told).toEqual([]);
    expect(cluster.getStatus().activeConnections).toBe(1);
  });
});

describe("with action: 'destroy'", () => {
  watching({ threshold: '150ms', action: 'destroy' });

  const REFUSAL = {
    code: 'LEASE_RELEASED',
    message: expect.stringMatching(/taken back and cut after .* leak_detection\.threshold \(150 ms\)/),
  };

  async function expectFreed(what: Lease | { release(): void }) {
    expect((await cluster.useMaster(() => cluster.query('SELECT 1 AS one'))).rows).toEqual([{ one: 1 }]);
    await what.release();
    expect(states()).toEqual(['destroyed']);
    expect(cluster.getStatus().activeConnections).toBe(0);
  }

  it('a lease is cut, and says so when it is used', async () => {
    const lease = await cluster.getMasterConnection();
    await lease.query('BEGIN');
    await toldOf('destroyed');
    expect(told[0]).toMatchObject({
      kind: 'lease',
      transactionStatus: 'in-transaction',
      lastStatement: 'BEGIN',
    });
    await expect(lease.query('SELECT 1')).rejects.toMatchObject(REFUSAL);
    expect(() => lease.client).toThrow(expect.objectContaining(REFUSAL));
    await expectFreed(lease);
    expect(counted()).toEqual(['lease']);
  });

  it('under a statement: that fails, with the reason as its cause', async () => {
    const lease = await cluster.getMasterConnection();
    await expect(lease.query('SELECT pg_sleep(5)')).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      outcome: 'unknown',
      cause: REFUSAL,
    });
    await expectFreed(lease);
  });

  it('a client of the pool is cut, and can be used again once it was released', async () => {
    const client = await cluster.pool.connect();
    await client.query('BEGIN');
    await toldOf('destroyed');
    await expect(client.query('SELECT 1')).rejects.toMatchObject(REFUSAL);
    await expectFreed(client);
    expect((await cluster.pool.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
  });

  it('what ends by itself goes on', async () => {
    const work = async () => {
      await cluster.query('SELECT 1');
      await toldOf('held');
      return (await cluster.query('SELECT 2 AS two')).rows;
    };
    expect(await cluster.transaction(work)).toEqual([{ two: 2 }]);
    expect(states()).toEqual(['held', 'recovered']);
  });
});
