import type { ConnectOptions } from '../../lib/pool/driver.js';
import { RequestScope } from 'nestjs-pg-mcp';
import { describe, expect, it } from 'vitest';
import { fakeCluster, type FakeCluster } from './fake-cluster.js';

const NO_MINIMUM = { connectionPool: { minConnections: 0 } };
const serverError = (code: string) => Object.assign(new Error(`error ${code}`), { code });

const read = (fake: FakeCluster) => async () =>
  (await fake.cluster.query<{ node: string }>('SELECT 1')).rows[0]?.node;

/** Connections of pools that `refuses` picks are refused, as a server does that has no room. */
function refuseConnections(fake: FakeCluster, refuses: (options: ConnectOptions) => boolean): () => void {
  const { driver } = fake;
  const { connect } = driver;
  driver.connect = (options, clock, signal) =>
    refuses(options) ? Promise.reject(serverError('53300')) : connect.call(driver, options, clock, signal);
  return () => {
    driver.connect = connect;
  };
}

/** Breaks the connection under a statement, as often as told. */
function breakUnder(fake: FakeCluster, text: string, times = Infinity): void {
  fake.answer = (asked, connection) => {
    if (asked !== text || times-- <= 0) return undefined;
    connection.break();
    return [];
  };
}

async function waitingAt(fake: FakeCluster, node: string, callers = 1): Promise<void> {
  const pending = () => fake.cluster.getStatus().nodes.find(({ name }) => name === node)?.pool.pending;
  await expect.poll(pending).toBe(callers);
}

describe('a replica scope', () => {
  it('has the statements of a Promise.all on one replica from the first on', async () => {
    await using fake = await fakeCluster({ routing: { balance: 'round-robin' } });
    for (let i = 0; i < 5; i++) {
      const seen = await fake.cluster.useReplica(() => Promise.all(Array.from({ length: 6 }, read(fake))));
      expect(new Set(seen).size).toBe(1);
    }
  });

  it('is one turn of round-robin', async () => {
    await using fake = await fakeCluster({ routing: { balance: 'round-robin' } });
    const seen: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) seen.push(await fake.cluster.useReplica(read(fake)));
    expect(seen).toEqual(['r1', 'r2', 'r1', 'r2']);
  });

  it('has them so too when all of them had to wait for a replica', async () => {
    await using fake = await fakeCluster({ routing: { balance: 'round-robin', maxLagBytes: 10 } });
    fake.nodes.r1.replayed = fake.nodes.r2.replayed = 50;
    await fake.probe();
    const seen = fake.cluster.useReplica({ onUnavailable: 'wait' }, () =>
      Promise.all(Array.from({ length: 6 }, read(fake))),
    );
    fake.nodes.r1.replayed = fake.nodes.r2.replayed = 100;
    await fake.probe();
    expect(new Set(await seen).size).toBe(1);
  });

  it('goes on to the next node where one refuses to be connected to, and to the primary after all', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    refuseConnections(fake, ({ node }) => node === 'r1');
    for (let i = 0; i < 4; i++) expect(await fake.cluster.useReplica(read(fake))).toBe('r2');
    await using other = await fakeCluster(NO_MINIMUM);
    refuseConnections(other, ({ node }) => node !== 'p');
    expect(await other.cluster.useReplica(read(other))).toBe('p');
  });

  it('tells the cause where it may go nowhere else', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    refuseConnections(fake, ({ node }) => node !== 'p');
    await expect(fake.cluster.useReplica({ onUnavailable: 'fail' }, read(fake))).rejects.toMatchObject({
      code: 'NO_REPLICA',
      cause: { code: 'CONNECT_FAILED', cause: { code: '53300' } },
    });
  });

  it('that waits for a replica takes one that is back, though it failed there before', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    const accept = refuseConnections(fake, ({ node }) => node !== 'p');
    const reading = fake.cluster.useReplica({ onUnavailable: 'wait' }, read(fake));
    await fake.clock.advance(1);
    accept();
    await fake.clock.advance(2_000);
    expect(['r1', 'r2']).toContain(await reading);
  });

  it('can not write on a node that is promoted while it waits for a connection there', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    fake.driver.hold();
    const writing = fake.cluster.useReplica(() => fake.cluster.query('INSERT'));
    await expect.poll(() => fake.driver.held.length).toBe(1);
    const [attempt] = fake.driver.held;
    const chosen = attempt?.options.node as 'r1' | 'r2';
    fake.nodes.p.standby = true;
    fake.nodes[chosen] = { standby: false, timeline: 2, replayed: 0 };
    fake.driver.accept();
    await fake.probe();
    expect(fake.cluster.getStatus().primary).toBe(chosen);
    attempt?.accept();
    await writing;
    expect(fake.sent(chosen)).toEqual(['BEGIN READ ONLY', 'INSERT', 'COMMIT']);
  });

  it('changes to a replica that has what the former was known to have, later news of it included', async () => {
    await using fake = await fakeCluster();
    await fake.cluster.useReplica(async () => {
      const first = (await read(fake)()) as 'r1' | 'r2';
      const other = first === 'r1' ? 'r2' : 'r1';
      fake.nodes[first].replayed = 200;
      fake.nodes[other].replayed = 150;
      await fake.probe();
      // Without a read in between: what is known of it comes from the probe alone.
      for (const each of fake.driver.open) if (each.options.node === first) each.break();
      expect(await read(fake)()).toBe('p');
    });
    await fake.cluster.useReplica(async () => {
      const first = (await read(fake)()) as 'r1' | 'r2';
      const other = first === 'r1' ? 'r2' : 'r1';
      fake.nodes[other].replayed = 200;
      await fake.probe();
      breakUnder(fake, 'SELECT 1', 1);
      expect(await read(fake)()).toBe(other);
    });
  });

  it('that has read from the primary goes to no replica that is behind it', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    const accept = refuseConnections(fake, ({ node }) => node !== 'p');
    await fake.cluster.useReplica(async () => {
      expect(await read(fake)()).toBe('p');
      accept();
      fake.nodes.r1 = { standby: false, timeline: 2, replayed: 0 };
      fake.nodes.r2 = { standby: true, timeline: 2, replayed: 50 };
      fake.nodes.p = { standby: true, timeline: 2, replayed: 50 };
      await fake.probe();
      expect(await read(fake)()).toBe('r1');
    });
  });

  it('runs a read that conflicts with recovery on the other replica, then on the primary', async () => {
    await using fake = await fakeCluster();
    fake.answer = (text, { options: { node } }) =>
      text === 'SELECT 1' && node !== 'p' ? serverError('40001') : undefined;
    expect(await fake.cluster.useReplica(read(fake))).toBe('p');
    expect(['r1', 'r2', 'p'].map((node) => fake.sent(node))).toEqual([
      ['SELECT 1'],
      ['SELECT 1'],
      ['SELECT 1'],
    ]);
    expect(fake.cluster.getCounters().retries).toEqual(new Map([['recovery-conflict', 2]]));
  });

  it('runs a read that loses its connection once more, and no more', async () => {
    await using fake = await fakeCluster();
    breakUnder(fake, 'SELECT 1');
    await expect(fake.cluster.useReplica(read(fake))).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      outcome: 'unknown',
    });
    expect([...fake.sent('r1'), ...fake.sent('r2'), ...fake.sent('p')]).toEqual(['SELECT 1', 'SELECT 1']);
  });
});

describe('a write', () => {
  it('whose connection breaks is sent once', async () => {
    await using fake = await fakeCluster();
    breakUnder(fake, 'INSERT');
    await expect(fake.cluster.query('INSERT')).rejects.toMatchObject({ outcome: 'unknown' });
    expect(fake.sent('p')).toEqual(['INSERT']);
  });

  it('that waits for a connection goes where the primary is when there is one', async () => {
    await using fake = await fakeCluster({ connectionPool: { minConnections: 0, maxConnections: 1 } });
    const lease = await fake.cluster.getMasterConnection();
    const writing = fake.cluster.query('INSERT');
    await waitingAt(fake, 'p');
    fake.nodes.r1 = { standby: false, timeline: 2, replayed: 0 };
    fake.nodes.p = { standby: true, timeline: 2, replayed: 100 };
    await fake.probe();
    await lease.release();
    await writing;
    expect([fake.sent('p'), fake.sent('r1')]).toEqual([[], ['INSERT']]);
  });

  it('does not go round a refusal of the primary', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    for (const connection of fake.driver.open) if (connection.options.node === 'p') connection.break();
    await fake.probe();
    refuseConnections(fake, ({ node }) => node === 'p');
    await expect(fake.cluster.query('INSERT')).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
  });
});

describe('a transaction', () => {
  it('begins elsewhere when its connection breaks at BEGIN, a few times', async () => {
    await using fake = await fakeCluster();
    breakUnder(fake, 'BEGIN', 3);
    await fake.cluster.transaction(() => fake.cluster.query('INSERT'));
    expect(fake.sent('p')).toEqual(['BEGIN', 'BEGIN', 'BEGIN', 'BEGIN', 'INSERT', 'COMMIT']);
    breakUnder(fake, 'BEGIN');
    await expect(fake.cluster.transaction(() => fake.cluster.query('INSERT'))).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
    });
    expect(fake.sent('p').filter((text) => text === 'INSERT')).toHaveLength(1);
  });

  it.each([
    ['INSERT', 'unknown', ['BEGIN', 'INSERT']],
    ['COMMIT', 'unknown', ['BEGIN', 'INSERT', 'COMMIT']],
  ])('that loses its connection at %s is not run again', async (where, outcome, sent) => {
    await using fake = await fakeCluster();
    breakUnder(fake, where);
    const running = fake.cluster.transaction({ retry: 3 }, () => fake.cluster.query('INSERT'));
    await expect(running).rejects.toMatchObject({ code: 'CONNECTION_LOST', outcome });
    expect(fake.sent('p')).toEqual(sent);
    expect(fake.cluster.getStatus().activeConnections).toBe(0);
  });

  it('gives the error of its function on when its connection breaks at ROLLBACK', async () => {
    await using fake = await fakeCluster();
    breakUnder(fake, 'ROLLBACK');
    const running = fake.cluster.transaction(async () => {
      await fake.cluster.query('INSERT');
      throw new RangeError('on purpose');
    });
    await expect(running).rejects.toThrow('on purpose');
    expect(fake.cluster.getStatus().activeConnections).toBe(0);
  });
});

describe('a transaction that is given up before it has its connection', () => {
  it('sends none of its statements', async () => {
    await using fake = await fakeCluster({ connectionPool: { minConnections: 0, maxConnections: 1 } });
    const lease = await fake.cluster.getMasterConnection();
    const request = new RequestScope();
    const running = fake.cluster.runInRequest(request, () =>
      fake.cluster.transaction(() => fake.cluster.query('INSERT')),
    );
    const settled = expect(running).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
    await waitingAt(fake, 'p');
    const abandoned = request.abandon();
    await lease.release();
    await Promise.all([abandoned, settled]);
    expect(fake.sent('p')).toEqual(['BEGIN', 'ROLLBACK']);
    expect(fake.cluster.getStatus().activeConnections).toBe(0);
  });
});

describe('waiting', () => {
  it('ends with the close, whatever for', async () => {
    const fake = await fakeCluster({
      ...NO_MINIMUM,
      connectionPool: { maxConnections: 1, minConnections: 0 },
    });
    const lease = await fake.cluster.getMasterConnection();
    const forConnection = fake.cluster.query('INSERT');
    await waitingAt(fake, 'p');
    fake.nodes.p.standby = true;
    await fake.probe();
    const forPrimary = fake.cluster.query('INSERT');
    const outcomes = Promise.allSettled([forConnection, forPrimary]);
    const closing = fake.cluster.close();
    await lease.release();
    await closing;
    expect(await outcomes).toMatchObject([
      { reason: { code: 'CLUSTER_CLOSED' } },
      { reason: { code: 'CLUSTER_CLOSED' } },
    ]);
  });

  it('ends with the close for a primary that broke off', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    fake.driver.refuse(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    for (const connection of fake.driver.open) connection.break();
    const waiting = fake.cluster.query('INSERT').catch((error: unknown) => error);
    await fake.clock.advance(1);
    await fake.cluster.close();
    expect(await waiting).toMatchObject({ code: 'CLUSTER_CLOSED' });
  });

  it('has one limit for all attempts of a call', async () => {
    await using fake = await fakeCluster({
      connectionPool: { minConnections: 0, maxConnections: 1, acquireTimeout: '5s' },
    });
    const [one, two] = [await fake.cluster.getReplicaConnection(), await fake.cluster.getReplicaConnection()];
    expect(new Set([one.node, two.node]).size).toBe(2);
    const began = fake.clock.now();
    const reading = fake.cluster.useReplica(read(fake)).then(
      () => undefined,
      (error: unknown) => ({ error, after: fake.clock.now() - began }),
    );
    await fake.clock.advance(4_000);
    const first = fake.cluster.getStatus().nodes.find(({ pool }) => pool.pending === 1)?.name;
    breakUnder(fake, 'SELECT 1', 1);
    await (one.node === first ? one : two).release();
    await fake.clock.advance(5_000);
    expect(await reading).toMatchObject({ error: { code: 'ACQUIRE_TIMEOUT' }, after: 5_000 });
    await Promise.all([one.release(), two.release()]);
  });
});

describe('a read whose primary dies', () => {
  const strong = { text: 'SELECT 1', consistency: 'strong' } as const;

  it('is not lost a second time on another connection that died with it', async () => {
    await using fake = await fakeCluster();
    const open = () => fake.driver.open.filter(({ options }) => options.node === 'p').length;
    const before = open();
    await Promise.all([1, 2, 3].map(() => fake.cluster.query(strong)));
    expect(open()).toBeGreaterThan(before);
    let isDead = true;
    const { answer } = fake.driver;
    fake.driver.answer = (statement, connection) => {
      if (!isDead || connection.options.node !== 'p') return answer(statement, connection);
      connection.break();
      return [];
    };
    const reading = fake.cluster.query(strong);
    const isOver = { now: false };
    void reading.finally(() => (isOver.now = true)).catch(() => {});
    await fake.clock.advance(600);
    expect(isOver.now).toBe(false);
    isDead = false;
    await fake.probe();
    expect((await reading).rows).toEqual([{ node: 'p' }]);
    expect(fake.cluster.getCounters().retries.get('connection-lost')).toBe(1);
  });
});
