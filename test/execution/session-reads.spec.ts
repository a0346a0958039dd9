import { RequestScope } from 'nestjs-pg-mcp';
import { describe, expect, it } from 'vitest';
import { fakeCluster, type FakeCluster } from './fake-cluster.js';
import { inSession, nodeOf, READ, REPLICA, told, WRITE } from './in-session.js';

const NO_MINIMUM = { connectionPool: { minConnections: 0 } };

function counted({ cluster }: FakeCluster, reason: string): number {
  return cluster.getCounters().decisions.find((decision) => decision.reason === reason)?.count ?? 0;
}

/** The replicas have replayed so much; the primary is at 100. */
function replayed({ nodes }: FakeCluster, r1: number, r2 = r1): void {
  nodes.r1.replayed = r1;
  nodes.r2.replayed = r2;
}

describe('a session that has written reads', () => {
  it('from the primary until a sample that began later is replayed, then from a replica', async () => {
    await using fake = await fakeCluster();
    replayed(fake, 99);
    await fake.probe();
    await inSession(fake, async () => {
      expect(await nodeOf(fake)).toEqual(REPLICA);
      await fake.cluster.query(WRITE);
      expect(await nodeOf(fake)).toBe('p');
      await told(fake);
      expect(await nodeOf(fake)).toBe('p');
      replayed(fake, 99, 100);
      await told(fake);
      expect(await nodeOf(fake)).toBe('r2');
    });
    expect(counted(fake, 'behind-session')).toBe(2);
  });

  it('from a replica without a probe in between: positions are asked for when a read needs them', async () => {
    await using fake = await fakeCluster({ healthCheck: { interval: '1h' } });
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      // At the very millisecond of the write a sample says nothing of it.
      await fake.clock.advance(0);
      expect(await nodeOf(fake)).toBe('p');
      await fake.clock.advance(19);
      expect(await nodeOf(fake)).toBe('p');
      await fake.clock.advance(1);
      expect(await nodeOf(fake)).toEqual(REPLICA);
    });
  });

  it('from a replica that has it, whatever the other has', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      replayed(fake, 100, 99);
      await told(fake);
      for (let i = 0; i < 5; i++) expect(await nodeOf(fake)).toBe('r1');
    });
  });

  it('in a replica scope too, held to reading on the primary only where nobody vouches', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      expect(await fake.cluster.useReplica(() => nodeOf(fake))).toBe('p');
      await fake.cluster.useReplica(() => fake.cluster.query('SELECT now()'));
    });
    expect(fake.sent('p')).toEqual([WRITE, READ, 'BEGIN READ ONLY', 'SELECT now()', 'COMMIT']);
  });

  it('from any replica what needs not be new', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      const { rows } = await fake.cluster.query({ text: READ, consistency: 'eventual' });
      expect(rows).toEqual([{ node: REPLICA }]);
      expect(await fake.cluster.useReplica({ consistency: 'eventual' }, () => nodeOf(fake))).toEqual(REPLICA);
    });
  });

  it('as before, where another session has written', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, () => fake.cluster.query(WRITE));
    expect(await inSession(fake, () => nodeOf(fake))).toEqual(REPLICA);
    expect(await nodeOf(fake)).toEqual(REPLICA);
  });

  it('what calls outside any session have written, as one', async () => {
    await using fake = await fakeCluster();
    await fake.cluster.query(WRITE);
    expect(await nodeOf(fake)).toBe('p');
    expect(await inSession(fake, () => nodeOf(fake))).toEqual(REPLICA);
    await told(fake);
    expect(await nodeOf(fake)).toEqual(REPLICA);
  });

  it('what its request has written, and not what another has', async () => {
    await using fake = await fakeCluster();
    const [one, other] = [new RequestScope(), new RequestScope()];
    await fake.cluster.runInRequest(one, () => fake.cluster.query(WRITE));
    expect(await fake.cluster.runInRequest(one, () => nodeOf(fake))).toBe('p');
    expect(await fake.cluster.runInRequest(other, () => nodeOf(fake))).toEqual(REPLICA);
  });

  it('all from one replica, and what is outside any session from each in turn', async () => {
    await using fake = await fakeCluster({ routing: { balance: 'round-robin' } });
    const reads = async () => {
      const nodes: (string | undefined)[] = [];
      for (let i = 0; i < 4; i++) nodes.push(await nodeOf(fake));
      return new Set(nodes).size;
    };
    expect([await inSession(fake, reads), await reads()]).toEqual([1, 2]);
  });

  it('from no replica while the primary is away and none is known to have it: it fails with why', async () => {
    await using fake = await fakeCluster({ connectionPool: { acquireTimeout: '2s' } });
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      replayed(fake, 99);
      await told(fake);
      fake.nodes.p.standby = true;
      fake.nodes.p.replayed = 99;
      await fake.probe();
      const reading = nodeOf(fake).catch((error: unknown) => error);
      await fake.clock.advance(2_000);
      expect(await reading).toMatchObject({ code: 'CONSISTENCY_UNAVAILABLE', safeToRetry: true });
    });
    expect(await inSession(fake, () => nodeOf(fake))).toEqual(expect.stringMatching(/^(p|r[12])$/));
  });

  it('waits for a replica that comes to it while the primary is away', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      replayed(fake, 99);
      await told(fake);
      fake.nodes.p.standby = true;
      fake.nodes.p.replayed = 99;
      await fake.probe();
      const reading = nodeOf(fake);
      replayed(fake, 99, 100);
      await fake.clock.advance(1_000);
      expect(await reading).toBe('r2');
    });
  });

  it('waits or fails as its replica scope says', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      const failing = fake.cluster.useReplica({ onUnavailable: 'fail' }, () => nodeOf(fake));
      await expect(failing).rejects.toMatchObject({
        code: 'NO_REPLICA',
        message: expect.stringContaining('behind-session'),
      });
      const waiting = fake.cluster.useReplica({ onUnavailable: 'wait' }, () => nodeOf(fake));
      await told(fake);
      expect(await waiting).toEqual(REPLICA);
    });
  });
});

describe('a connection that leads to another server than the probes', () => {
  const elsewhere = (fake: FakeCluster, ...nodes: string[]) => {
    fake.driver.identity = ({ node }) => ({
      startedAt: nodes.includes(node) ? 'at another time' : 'then',
      searchPath: '[]',
    });
  };

  it('serves no session that has written: its positions are not that server’s', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    elsewhere(fake, 'r1', 'r2');
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      await told(fake);
      expect(await nodeOf(fake)).toBe('p');
      expect(await fake.cluster.useReplica(() => nodeOf(fake))).toBe('p');
    });
    expect(counted(fake, 'behind-session')).toBe(2);
  });

  it('serves who has not written, and who needs nothing new', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    elsewhere(fake, 'r1', 'r2');
    expect(await inSession(fake, () => nodeOf(fake))).toEqual(REPLICA);
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      const { rows } = await fake.cluster.query({ text: READ, consistency: 'eventual' });
      expect(rows).toEqual([{ node: REPLICA }]);
    });
  });

  it('is passed over for one that is as the probes say', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    elsewhere(fake, 'r1');
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      await told(fake);
      for (let i = 0; i < 3; i++) expect(await nodeOf(fake)).toBe('r2');
    });
  });

  it('of which nothing is known serves no session that has written', async () => {
    await using fake = await fakeCluster(NO_MINIMUM);
    fake.driver.identity = () => undefined;
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      await told(fake);
      expect(await fake.cluster.useReplica(() => nodeOf(fake))).toBe('p');
      await expect(
        fake.cluster.useReplica({ onUnavailable: 'fail' }, () => nodeOf(fake)),
      ).rejects.toMatchObject({ code: 'NO_REPLICA' });
    });
  });
});
