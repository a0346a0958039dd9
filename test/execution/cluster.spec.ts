import { PgCluster } from 'nestjs-pg-mcp';
import { FakeDriver, ManualClock } from 'nestjs-pg-mcp/testing';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { PoolConnection } from '../../lib/execution/pool-connection.js';
import { poolAction } from '../../lib/execution/pools.js';
import { Tally } from '../../lib/execution/tally.js';
import type { Role } from '../../lib/config/settings.js';
import type { NodePool } from '../../lib/pool/node-pool.js';
import type { Health, NodeState } from '../../lib/topology/topology.js';
import { fakeCluster } from './fake-cluster.js';

describe('the pool of a node', () => {
  const state = (role: NodeState['role'], health: Health, configuredRole: Role = 'replica') =>
    ({ role, health, settings: { configuredRole } }) as NodeState;

  const serving = (serverStartedAt: string, role: Role = 'primary') =>
    ({ ...state(role, 'up'), facts: { inRecovery: role === 'replica', serverStartedAt } }) as NodeState;

  it.each([
    ['goes on', state('primary', 'up'), state('primary', 'suspect'), undefined],
    ['sends those who wait elsewhere', state('replica', 'up'), state('replica', 'suspect'), 'turn-away'],
    ['sends them once', state('replica', 'suspect'), state('replica', 'suspect'), undefined],
    ['is fenced when down', state('replica', 'suspect'), state('replica', 'down'), 'fence'],
    ['is fenced when refused', state('primary', 'up'), state('primary', 'refused'), 'fence'],
    ['is fenced once', state('primary', 'down'), state('primary', 'refused'), undefined],
    [
      'is renewed with the role while it is out',
      state('primary', 'down'),
      state('replica', 'down'),
      'retire',
    ],
    ['is renewed where its name leads to another server', serving('one'), serving('another'), 'retire'],
    ['goes on where it is the same server', serving('one'), serving('one'), undefined],
    ['of a replica may lead to several', serving('one', 'replica'), serving('another', 'replica'), undefined],
    ['is renewed with the role', state('replica', 'up'), state('primary', 'up'), 'retire'],
    ['is renewed with the role on its return', state('primary', 'down'), state('replica', 'up'), 'retire'],
    ['goes on when it is what was thought', state('unknown', 'down'), state('replica', 'up'), undefined],
    [
      'is renewed when it is not',
      state('unknown', 'down', 'primary'),
      state('replica', 'up', 'primary'),
      'retire',
    ],
  ])('%s', (_what, previous, next, action) => {
    expect(poolAction(previous, next)).toBe(action);
  });

  it('gets a connection back once, however often it is released', () => {
    const released: unknown[] = [];
    const pool = { release: (connection: unknown) => released.push(connection) } as unknown as NodePool;
    const connection = {} as ConstructorParameters<typeof PoolConnection>[3]['connection'];
    const outcomes = {} as ConstructorParameters<typeof PoolConnection>[3]['outcomes'];
    const parts = { connection, pool, clock: systemClock, tally: new Tally(), outcomes };
    const borrowed = new PoolConnection('p', 'primary', false, parts);
    borrowed.release();
    borrowed.release();
    expect(released).toHaveLength(1);
  });
});

describe('the cluster', () => {
  it("has its listeners run in nobody's scope", async () => {
    await using fake = await fakeCluster();
    const asked: Promise<unknown>[] = [];
    fake.cluster.on('topology', () => asked.push(fake.cluster.query('FROM THE LISTENER')));
    await fake.cluster.useReplica(async () => {
      fake.driver.open.find(({ options }) => options.node === 'r2')?.break();
    });
    await Promise.all(asked);
    expect(asked.length).toBeGreaterThan(0);
    expect(fake.sent('p')).toContain('FROM THE LISTENER');
  });

  it('leaves no timer behind when its health was asked', async () => {
    await using fake = await fakeCluster();
    const before = fake.clock.pending;
    for (let i = 0; i < 3; i++) await fake.cluster.healthCheck();
    expect(fake.clock.pending).toBe(before);
  });

  it('judges its health by what was last seen of who keeps silent', async () => {
    await using fake = await fakeCluster();
    const { answer } = fake.driver;
    fake.driver.answer = (statement, connection) =>
      connection.options.node === 'r1' ? new Promise(() => {}) : answer(statement, connection);
    const health = fake.cluster.healthCheck();
    await fake.clock.advance(500);
    expect(await health).toMatchObject({ status: 'up' });
  });

  it('counts into a copy: what was told before stays as it was', async () => {
    await using fake = await fakeCluster();
    const before = fake.cluster.getCounters();
    fake.answer = (text, { options: { node } }) =>
      text === 'SELECT 1' && node !== 'p' ? Object.assign(new Error(), { code: '40001' }) : undefined;
    await fake.cluster.useReplica(() => fake.cluster.query('SELECT 1'));
    await fake.cluster.close();
    expect(before.retries.size).toBe(0);
    expect(before.connections.every(({ closed }) => closed.size === 0)).toBe(true);
    expect(fake.cluster.getCounters().retries.get('recovery-conflict')).toBe(2);
  });

  it.each([
    ['while it connects', true],
    ['between its attempts', false],
  ])('says that it was closed %s', async (_when, isHeld) => {
    const [driver, clock] = [new FakeDriver(), new ManualClock()];
    if (isHeld) driver.hold();
    else driver.refuse(new Error('refused'));
    const master = { host: '127.0.0.1', port: 1, user: 'app', password: 'secret', database: 'app' };
    const cluster = PgCluster.fromConfig({ masters: [master] }, {}, { driver, clock });
    const connecting = cluster.connect().catch((error: unknown) => error);
    await clock.advance(1);
    await cluster.close();
    await clock.advance(10_000);
    expect(await connecting).toMatchObject({ code: 'CLUSTER_CLOSED' });
    expect(cluster.getStatus().state).toBe('closed');
    expect(driver.attempts).toBe(1);
  });

  it('takes options that are undefined for none', async () => {
    await using fake = await fakeCluster();
    const { cluster } = fake;
    const call = (use: (options: never, work: () => unknown) => unknown) =>
      use.call(cluster, undefined as never, () => 5);
    expect(call(cluster.useReplica)).toBe(5);
    expect(call(cluster.useMaster)).toBe(5);
    expect(await call(cluster.transaction)).toBe(5);
  });
});
