import type { FailoverEvent } from 'nestjs-pg-mcp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fakeCluster, type FakeCluster } from '../execution/fake-cluster.js';

const MOST_FAILURES = 3;

/** The primary answers no more. */
async function lose(fake: FakeCluster): Promise<void> {
  fake.driver.answer = silenced(fake);
  for (let i = 0; i < MOST_FAILURES; i++) await fake.probe();
}

function silenced(fake: FakeCluster): FakeCluster['driver']['answer'] {
  const { answer } = fake.driver;
  return (statement, connection) =>
    connection.options.node === 'p' ? new Error('gone') : answer(statement, connection);
}

const promote = (fake: FakeCluster) => (fake.nodes.r1 = { standby: false, timeline: 2, replayed: 100 });
const brief = ({ step, node }: FailoverEvent) => (node === undefined ? step : `${step} ${node}`);

describe('a failover is told', () => {
  it('step by step, to listener and callback alike, and is on the health page while it lasts', async () => {
    const [heard, called]: [FailoverEvent[], FailoverEvent[]] = [[], []];
    await using fake = await fakeCluster({
      failover: { notificationCallback: (event) => called.push(event) },
    });
    fake.cluster.on('failover', (event) => heard.push(event));
    const ended: unknown[] = [];
    fake.cluster.observe({ failoverEnded: (event) => ended.push(event) });

    await lose(fake);
    expect(heard.map(brief)).toEqual(['primary-lost p']);
    expect(heard[0]).toMatchObject({ cluster: 'default', detail: 'gone' });
    await fake.clock.advance(400);
    const health = await fake.cluster.healthCheck();
    expect(health.status).toBe('down');
    expect(health.problems).toContain('a failover is under way, 0.4 s: primary-lost');

    promote(fake);
    await fake.probe();
    expect(heard.map(brief)).toEqual(['primary-lost p', 'primary-found r1']);
    expect(heard[1]).toMatchObject({ elapsedMs: 400, detail: 'timeline 2' });
    expect(called).toEqual(heard);
    expect(ended).toEqual([{ outcome: 'followed', seconds: 0.4 }]);
    expect([...fake.cluster.getCounters().failovers]).toEqual([['followed', 1]]);
    expect(fake.cluster.getStatus().failover).toBeUndefined();
  });

  it('as ended by the same primary, where that comes back', async () => {
    await using fake = await fakeCluster();
    const { answer } = fake.driver;
    await lose(fake);
    fake.driver.answer = answer;
    await fake.probe();
    expect([...fake.cluster.getCounters().failovers]).toEqual([['same-primary', 1]]);
  });

  it('where the new primary is seen before the old one is missed, with that quarantined', async () => {
    const heard: FailoverEvent[] = [];
    await using fake = await fakeCluster();
    fake.cluster.on('failover', (event) => heard.push(event));
    promote(fake);
    await fake.probe();
    await fake.probe();
    expect(heard.map(brief).toSorted()).toEqual(['node-quarantined p', 'primary-found r1', 'primary-lost p']);
    expect([...fake.cluster.getCounters().failovers]).toEqual([['followed', 1]]);
  });

  it('not at the start', async () => {
    const called: FailoverEvent[] = [];
    await using fake = await fakeCluster({
      failover: { notificationCallback: (event) => called.push(event) },
    });
    await fake.probe();
    expect(called).toEqual([]);
  });
});

describe('whoever is told harms nothing', () => {
  it.each<[string, () => unknown]>([
    ['throwing', () => sick()],
    ['rejecting', () => Promise.reject(new Error('sick'))],
  ])('by %s', async (_how, callback) => {
    const warnings: string[] = [];
    const warn = ({ message }: Error) => warnings.push(message);
    process.on('warning', warn);
    onTestFinished(() => void process.off('warning', warn));
    const heard: string[] = [];
    await using fake = await fakeCluster({ failoverStrategy: { notificationCallback: callback } });
    fake.cluster.on('failover', () => sick());
    fake.cluster.on('failover', (event) => heard.push(event.step));
    await lose(fake);
    promote(fake);
    await fake.probe();
    expect(fake.cluster.getStatus().primary).toBe('r1');
    await expect
      .poll(() => new Set(warnings))
      .toEqual(
        new Set([
          "a 'failover' listener of cluster default failed: sick",
          'notificationCallback of cluster default failed: sick',
        ]),
      );
    expect(heard).toEqual(['primary-lost', 'primary-found']);
  });
});

function sick(): never {
  throw new Error('sick');
}
