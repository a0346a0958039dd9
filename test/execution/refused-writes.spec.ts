import { describe, expect, it } from 'vitest';
import { isRefusedOnPrimary } from '../../lib/execution/run-again.js';
import { fakeCluster, type FakeCluster } from './fake-cluster.js';

const SETTINGS = { connectionPool: { acquireTimeout: '3s', minConnections: 0 } };
const refusal = () =>
  Object.assign(new Error('cannot execute INSERT in a read-only transaction'), { code: '25006' });

/** Servers that refuse writes where they are read-only, or standbys. */
function refuseWrites(fake: FakeCluster): void {
  fake.answer = (text, { options }) => {
    const state = fake.nodes[options.node as 'p'];
    const isWrite = /INSERT|CALL/.test(text);
    return isWrite && (state.standby || state.readOnly === true) ? refusal() : undefined;
  };
}

async function fenced(): Promise<FakeCluster> {
  const fake = await fakeCluster(SETTINGS);
  refuseWrites(fake);
  fake.nodes.p.readOnly = true;
  return fake;
}

const insert = (fake: FakeCluster) => fake.cluster.query<{ node: string }>('INSERT');
const outcomeOf = (running: Promise<unknown>) => {
  const seen: { outcome?: string } = {};
  running.then(
    () => (seen.outcome = 'done'),
    (error: { code: string }) => (seen.outcome = error.code),
  );
  return seen;
};
const promote = (fake: FakeCluster, name: 'r1' | 'r2') => {
  fake.nodes[name] = { standby: false, timeline: 2, replayed: 0 };
};

describe('a write that the primary refuses as read-only', () => {
  it('gets that at once where the primary lets others write: it is the caller’s own setting', async () => {
    await using fake = await fakeCluster(SETTINGS);
    fake.answer = (text) => (text === 'INSERT' ? refusal() : undefined);
    const seen = outcomeOf(insert(fake));
    await fake.clock.advance(0);
    expect(seen.outcome).toBe('25006');
    expect(fake.sent('p')).toEqual(['INSERT']);
  });

  it('waits where the primary is fenced, and runs on the one that is promoted', async () => {
    await using fake = await fenced();
    const running = insert(fake);
    await fake.clock.advance(1_000);
    promote(fake, 'r1');
    await fake.clock.advance(150);
    expect((await running).rows).toEqual([{ node: 'r1' }]);
    expect(fake.sent('p')).toEqual(['INSERT']);
    expect(fake.cluster.getCounters().retries.get('refused-on-primary')).toBe(1);
  });

  it('runs there after all where the fence is taken away', async () => {
    await using fake = await fenced();
    const running = insert(fake);
    await fake.clock.advance(1_000);
    fake.nodes.p.readOnly = false;
    await fake.clock.advance(150);
    expect((await running).rows).toEqual([{ node: 'p' }]);
  });

  it('gets the refusal where the primary stays fenced for as long as it may wait', async () => {
    await using fake = await fenced();
    const seen = outcomeOf(insert(fake));
    await fake.clock.advance(2_999);
    expect(seen.outcome).toBeUndefined();
    await fake.clock.advance(2);
    expect(seen.outcome).toBe('25006');
  });

  it('waits where that node turns out to be a standby, and is told why there is no primary', async () => {
    await using fake = await fakeCluster(SETTINGS);
    refuseWrites(fake);
    fake.nodes.p.standby = true;
    const running = insert(fake);
    const seen = outcomeOf(running);
    await fake.clock.advance(1);
    expect([seen.outcome, fake.cluster.getStatus().primary]).toEqual([undefined, undefined]);
    await fake.clock.advance(3_000);
    await expect(running).rejects.toMatchObject({ code: 'NO_PRIMARY', cause: { code: '25006' } });
  });

  it('is not the write of a replica scope, which may not write anywhere', async () => {
    await using fake = await fenced();
    fake.nodes.r1.standby = fake.nodes.r2.standby = true;
    fake.nodes.r1.timeline = fake.nodes.r2.timeline = 0;
    await fake.probe();
    const seen = outcomeOf(fake.cluster.useReplica(() => fake.cluster.query('SELECT f(INSERT)')));
    await fake.clock.advance(0);
    expect(seen.outcome).toBe('WRITE_ON_REPLICA');
  });

  it.each([
    ['INSERT INTO call_log VALUES (1)', true],
    ['UPDATE done SET x = 1', true],
    ['CALL work()', false],
    ['do $$ begin end $$', false],
    ['INSERT INTO a VALUES (1); COMMIT; INSERT INTO b VALUES (1)', false],
    ['CREATE INDEX CONCURRENTLY i ON t (x)', false],
  ])('%s: runs again is %s, for what commits along the way may have done something', (text, mayRun) => {
    expect(isRefusedOnPrimary(refusal(), text)).toBe(mayRun);
  });
});

describe('a transaction whose first statement the primary refuses as read-only', () => {
  it('begins anew on the primary that is promoted', async () => {
    await using fake = await fenced();
    const running = fake.cluster.transaction(async () => {
      const { rows } = await insert(fake);
      await fake.cluster.query('UPDATE');
      return rows;
    });
    await fake.clock.advance(500);
    expect(fake.sent('p')).toEqual(['BEGIN', 'INSERT', 'ROLLBACK']);
    promote(fake, 'r2');
    await fake.clock.advance(150);
    expect(await running).toEqual([{ node: 'r2' }]);
    expect(fake.sent('r2').slice(0, 3)).toEqual(['BEGIN', 'INSERT', 'UPDATE']);
  });

  it('fails where it has done something before', async () => {
    await using fake = await fenced();
    const running = fake.cluster.transaction(async () => {
      await fake.cluster.query('SELECT 1');
      await insert(fake);
    });
    const seen = outcomeOf(running);
    await fake.clock.advance(0);
    expect(seen.outcome).toBe('25006');
  });

  it('fails where it says itself that it only reads', async () => {
    await using fake = await fenced();
    const seen = outcomeOf(fake.cluster.transaction({ readOnly: true }, () => insert(fake)));
    await fake.clock.advance(0);
    expect(seen.outcome).toBe('25006');
  });

  it('can’t commit where none came, though the error was caught', async () => {
    await using fake = await fenced();
    const running = fake.cluster.transaction(async () => {
      await insert(fake).catch(() => {});
      await fake.cluster.query('UPDATE').catch(() => {});
    });
    const seen = outcomeOf(running);
    await fake.clock.advance(3_001);
    expect(seen.outcome).toBe('TRANSACTION_ABORTED');
    expect(fake.sent('p')).toEqual(['BEGIN', 'INSERT', 'ROLLBACK']);
  });
});

describe('calls that wait for a primary', () => {
  const withoutPrimary = async (maxWaitingCalls: number) => {
    const fake = await fakeCluster({ ...SETTINGS, failover: { maxWaitingCalls } });
    fake.nodes.p.standby = true;
    await fake.probe();
    return fake;
  };

  it('are no more than may: the next one fails at once and says so', async () => {
    await using fake = await withoutPrimary(2);
    const waiting = [insert(fake), fake.cluster.transaction(() => insert(fake))];
    await fake.clock.advance(0);
    await expect(insert(fake)).rejects.toMatchObject({
      code: 'NO_PRIMARY',
      reason: 'too-many-waiting',
      safeToRetry: true,
      message: expect.stringMatching(
        /2 calls wait for one already \(failover.max_waiting_calls\): p: is a rep/,
      ),
    });
    expect((await fake.cluster.query('SELECT 1')).rowCount).toBe(1);
    promote(fake, 'r1');
    await fake.clock.advance(150);
    for (const call of waiting) expect((await call).rows).toEqual([{ node: 'r1' }]);
    expect((await insert(fake)).rows).toEqual([{ node: 'r1' }]);
  });

  it('have the nodes asked each 100 ms', async () => {
    await using fake = await withoutPrimary(10);
    await fake.clock.advance(95);
    const running = insert(fake);
    await fake.clock.advance(1);
    promote(fake, 'r1');
    const began = fake.clock.now();
    let endedAt = 0;
    void running.then(() => (endedAt = fake.clock.now()));
    await fake.clock.advance(500);
    expect(endedAt - began).toBeLessThan(120);
  });
});
