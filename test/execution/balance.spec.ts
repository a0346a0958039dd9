import { describe, expect, it } from 'vitest';
import { seeded } from '../support/seeded.js';
import { fakeCluster, type FakeCluster } from './fake-cluster.js';

const serverError = (code: string) => Object.assign(new Error(`error ${code}`), { code });

/** How many of so many reads, one after the other, were asked of each replica. */
async function reads(fake: FakeCluster, times: number): Promise<{ r1: number; r2: number }> {
  const before = { r1: fake.sent('r1').length, r2: fake.sent('r2').length };
  for (let i = 0; i < times; i++)
    await fake.cluster.useReplica(() => fake.cluster.query('SELECT 1')).catch(() => {});
  return { r1: fake.sent('r1').length - before.r1, r2: fake.sent('r2').length - before.r2 };
}

describe('least-loaded', () => {
  it('keeps reads from a replica that answers slowly', async () => {
    await using fake = await fakeCluster({}, seeded(1));
    fake.answer = (_, { options: { node } }) => {
      fake.clock.advanceSync(node === 'r2' ? 20 : 1);
      return [];
    };
    await reads(fake, 20);
    expect((await reads(fake, 100)).r2).toBe(0);
  });

  it.each([
    ['whose calls fail by its own fault', '53200', 0, 2],
    ['no less for statements that fail by theirs', '22012', 35, 65],
  ])('uses a replica %s', async (_, code, least, most) => {
    await using fake = await fakeCluster({}, seeded(1));
    await reads(fake, 20);
    fake.answer = (_, { options: { node } }) => (node === 'r2' ? serverError(code) : undefined);
    const { r2 } = await reads(fake, 100);
    expect(r2).toBeGreaterThanOrEqual(least);
    expect(r2).toBeLessThanOrEqual(most);
  });

  it('counts connections that are held', async () => {
    await using fake = await fakeCluster({}, seeded(1));
    const lease = await fake.cluster.getReplicaConnection();
    const counts = await reads(fake, 20);
    expect(counts).toEqual(lease.node === 'r1' ? { r1: 0, r2: 20 } : { r1: 20, r2: 0 });
    await lease.release();
  });

  it('does not go on trying a replica that refuses connections', async () => {
    await using fake = await fakeCluster({ connectionPool: { minConnections: 0 } }, seeded(1));
    const { driver } = fake;
    const { connect } = driver;
    let refused = 0;
    driver.connect = (options, clock, signal) => {
      if (options.node !== 'r2') return connect.call(driver, options, clock, signal);
      refused++;
      return Promise.reject(serverError('53300'));
    };
    expect(await reads(fake, 100)).toEqual({ r1: 100, r2: 0 });
    expect(refused).toBeLessThan(10);
  });
});

describe('a replica that is back', () => {
  it.each([
    ['takes a part of its share at first', '10s', 0, [1, 20]],
    ['takes its share after its slow start', '10s', 10_000, [35, 65]],
    ['takes its share at once where slow start is off', '0s', 0, [35, 65]],
  ] as const)('%s', async (_, slowStart, afterMs, [least, most]) => {
    await using fake = await fakeCluster({ routing: { slowStart } }, seeded(1));
    fake.driver.connections.find(({ options }) => options.node === 'r2' && options.readOnly)?.break();
    const health = () => fake.cluster.getStatus().nodes.find(({ name }) => name === 'r2')?.health;
    await expect.poll(health).toBe('up');
    await fake.clock.advance(afterMs);
    const { r2 } = await reads(fake, 100);
    expect(r2).toBeGreaterThanOrEqual(least);
    expect(r2).toBeLessThanOrEqual(most);
  });
});
