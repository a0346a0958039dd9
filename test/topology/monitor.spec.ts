import { FakeDriver, ManualClock, type FakeConnection } from 'nestjs-pg-mcp/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ClusterSettings } from '../../lib/config/settings.js';
import { Monitor } from '../../lib/topology/monitor.js';
import type { Topology } from '../../lib/topology/topology.js';
import { settingsOf, SYSTEM } from './scene.js';

type Fate = 'up' | 'silent' | 'slow' | 'refused';

interface FakeServer {
  standby: boolean;
  timeline: number;
  lsn: number;
  fate: Fate;
}

const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

class World {
  readonly clock = new ManualClock();
  readonly driver = new FakeDriver();
  readonly servers: Record<string, FakeServer> = {
    a: { standby: false, timeline: 1, lsn: 100, fate: 'up' },
    b: { standby: true, timeline: 1, lsn: 100, fate: 'up' },
  };
  readonly changes: (readonly [Topology, Topology])[] = [];
  readonly monitor: Monitor;
  /** When each node was probed. */
  readonly probes: Record<string, number[]> = { a: [], b: [] };
  random = 0.5;
  /** Has the probes of slow servers answered. */
  readonly answerAll: (() => void)[] = [];

  constructor() {
    const settings = {
      nodes: settingsOf('a', 'b'),
      healthCheck: { intervalMs: 1_000, timeoutMs: 2_000 },
      failover: { maxRetryAttempts: 3, retryDelayMs: 250 },
      pool: { maxLifetimeMs: 1_800_000 },
      routing: { default: 'primary', maxLagMs: 10_000, maxLagBytes: 1_000, balance: 'random' },
    } as unknown as ClusterSettings;
    this.driver.answer = ({ text }, connection) => this.#answer(text, connection);
    const { driver } = this;
    this.monitor = new Monitor({
      settings,
      clock: this.clock,
      random: () => this.random,
      driver: {
        connect: (options, clock, signal) => {
          if (this.server(options.node).fate !== 'refused') return driver.connect(options, clock, signal);
          this.probes[options.node]?.push(clock.now());
          return Promise.reject(refused);
        },
      },
      connectOptions: ({ name, host, port, database, ssl }) => ({
        node: name,
        host,
        port,
        database,
        ssl,
        user: 'monitor',
        applicationName: 'test',
        connectionTimeoutMs: 2_001,
        readOnly: false,
      }),
      onChange: (...change) => this.changes.push(change),
    });
  }

  server(name: string): FakeServer {
    const server = this.servers[name];
    if (!server) throw new Error(`no server ${name}`);
    return server;
  }

  connectionOf(name: string): FakeConnection {
    const connection = this.driver.open.findLast(({ options }) => options.node === name);
    if (!connection) throw new Error(`nothing is open to ${name}`);
    return connection;
  }

  health(name: string) {
    return this.monitor.topology.nodes.find((node) => node.name === name)?.health;
  }

  /** Kills a server: what is open breaks, nothing can be opened. */
  kill(name: string): void {
    this.server(name).fate = 'refused';
    this.connectionOf(name).break();
  }

  #answer(text: string, { options }: FakeConnection): readonly unknown[] | Promise<readonly unknown[]> {
    this.probes[options.node]?.push(this.clock.now());
    const { standby, timeline, lsn, fate } = this.server(options.node);
    if (fate === 'silent') return new Promise(() => {});
    if (!text.includes('system_identifier')) return [{ standby }];
    const at = `0/${lsn.toString(16)}`;
    const rows = [
      {
        standby,
        system_id: SYSTEM,
        timeline,
        segment_bytes: 16_777_216,
        ...(standby ? { replayed_lsn: at, received_lsn: at, receiver: 'streaming' } : { insert_lsn: at }),
      },
    ];
    if (fate === 'slow') return new Promise((resolve) => this.answerAll.push(() => resolve(rows)));
    return rows;
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

const started = async () => {
  await world.monitor.probeAll();
  world.monitor.start();
};

describe('the pace of probes', () => {
  test('is the interval after an answer, over one connection each', async () => {
    await started();
    await world.clock.advance(3_000);
    expect(world.probes).toEqual({ a: [0, 1_000, 2_000, 3_000], b: [0, 1_000, 2_000, 3_000] });
    expect(world.driver.attempts).toBe(2);
  });

  test.each([
    [0, 900],
    [1, 1_100],
  ])('is spread by a tenth (random %s: %s ms)', async (random, interval) => {
    world.random = random;
    await started();
    await world.clock.advance(interval - 1);
    expect(world.probes['a']).toEqual([0]);
    await world.clock.advance(1);
    expect(world.probes['a']).toEqual([0, interval]);
  });

  test('is 250 ms for a node in trouble, and the interval for the others', async () => {
    await started();
    world.kill('b');
    await world.clock.advance(1_000);
    expect(world.probes).toEqual({ a: [0, 1_000], b: [0, 0, 250, 500, 750, 1_000] });
    expect(world.health('b')).toBe('down');
    world.server('b').fate = 'up';
    await world.clock.advance(250);
    expect(world.health('b')).toBe('up');
    await world.clock.advance(1_000);
    expect(world.probes['b']?.slice(-2)).toEqual([1_250, 2_250]);
  });

  test('is 250 ms for every node as soon as there is no primary', async () => {
    await started();
    await world.clock.advance(100);
    world.kill('a');
    await world.clock.advance(550);
    expect([world.monitor.topology.primary, world.health('a')]).toEqual([undefined, 'down']);
    world.server('b').standby = false;
    world.server('b').timeline = 2;
    await world.clock.advance(250);
    expect(world.monitor.topology.primary).toBe('b');
    expect(world.probes['b']).toEqual([0, 600, 850]);
  });
});

describe('a probe', () => {
  test('without an answer is a failure after its timeout, and cuts the connection', async () => {
    await started();
    world.server('b').fate = 'silent';
    await world.clock.advance(2_999);
    expect(world.health('b')).toBe('up');
    await world.clock.advance(1);
    expect(world.health('b')).toBe('suspect');
    expect(world.driver.trace).toContain('#2 destroy');
    const { trouble } = world.monitor.topology.nodes[1] ?? {};
    expect(trouble).toEqual({ kind: 'unreachable', cause: 'no answer to a probe within 2000 ms' });
  });

  test('whose connection opens too late is not waited for any longer', async () => {
    world.driver.hold();
    world.server('a').fate = 'silent';
    const probing = world.monitor.probeNow('a');
    await world.clock.advance(2_000);
    world.driver.held[0]?.accept();
    await world.clock.advance(0);
    expect(world.health('a')).toBe('down');
    await probing;
    expect(world.driver.open).toEqual([]);
  });

  test('is shared by all who ask for it meanwhile', async () => {
    world.driver.hold();
    const asking = [1, 2, 3].map(() => world.monitor.probeNow('a'));
    expect(world.driver.attempts).toBe(1);
    world.driver.held[0]?.accept();
    await Promise.all(asking);
    expect(world.probes['a']).toEqual([0]);
  });

  test('that meets a promotion halfway is asked again: the server is well', async () => {
    await world.monitor.probeAll();
    const { answer } = world.driver;
    let times = 0;
    world.driver.answer = (statement, connection) =>
      ++times === 1
        ? Object.assign(new Error('recovery is not in progress'), { code: '55000' })
        : answer(statement, connection);
    world.server('b').standby = false;
    world.server('b').timeline = 2;
    await world.monitor.probeNow('b');
    expect(world.monitor.topology.primary).toBe('b');
    expect(world.health('b')).toBe('up');
  });

  test('by an account that may not see positions tells the role', async () => {
    const { answer } = world.driver;
    world.driver.answer = (statement, connection) =>
      statement.text.includes('system_identifier')
        ? Object.assign(new Error('permission denied'), { code: '42501' })
        : answer(statement, connection);
    await world.monitor.probeAll();
    expect(world.monitor.topology.primary).toBe('a');
    expect(world.monitor.topology.nodes[0]?.facts).toEqual({ inRecovery: false });
  });
});

describe('while a probe hangs', () => {
  const probes = () => world.probes['b'] ?? [];

  test('the next begins at its time, so that the node is down after one timeout and two of them', async () => {
    await started();
    world.server('b').fate = 'silent';
    await world.clock.advance(1_000);
    await world.clock.advance(2_499);
    expect([probes(), world.health('b')]).toEqual([
      [0, 1_000, 1_250, 1_500, 1_750, 2_000, 2_250, 2_500, 2_750, 3_000, 3_250],
      'suspect',
    ]);
    await world.clock.advance(1);
    expect(world.health('b')).toBe('down');
    expect(world.monitor.topology.primary).toBe('a');
  });

  test('there are never more than fit into the timeout, and one', async () => {
    await started();
    world.server('b').fate = 'silent';
    let most = 0;
    for (let at = 0; at < 10_000; at += 50) {
      await world.clock.advance(50);
      most = Math.max(most, world.driver.open.filter(({ options }) => options.node === 'b').length);
    }
    expect(most).toBeGreaterThan(3);
    expect(most).toBeLessThanOrEqual(9);
  });

  test('and those that hang are answered after all, one of their connections is kept', async () => {
    await started();
    world.server('b').fate = 'slow';
    await world.clock.advance(1_600);
    expect(world.answerAll).toHaveLength(3);
    world.server('b').fate = 'up';
    for (const answer of world.answerAll) answer();
    await world.clock.advance(0);
    expect(world.driver.open.map(({ options }) => options.node).toSorted()).toEqual(['a', 'b']);
    await world.clock.advance(5_000);
    expect(world.health('b')).toBe('up');
    expect(world.driver.connections).toHaveLength(4);
  });

  test('who asks for a probe that begins after his call waits for no more than the one under way', async () => {
    await started();
    world.server('b').fate = 'silent';
    await world.clock.advance(1_000);
    let isOver = false;
    void world.monitor.probeAnew('b').then(() => (isOver = true));
    world.server('b').fate = 'up';
    await world.clock.advance(250);
    expect(isOver).toBe(false);
    await world.clock.advance(1_750);
    expect(isOver).toBe(true);
  });
});

describe('while somebody waits for a primary', () => {
  test('every node is asked each 100 ms', async () => {
    await started();
    const over = world.monitor.seek();
    const another = world.monitor.seek();
    await world.clock.advance(300);
    expect(world.probes).toEqual({ a: [0, 100, 200, 300], b: [0, 100, 200, 300] });
    over();
    await world.clock.advance(100);
    another();
    await world.clock.advance(1_100);
    expect(world.probes['b']).toEqual([0, 100, 200, 300, 400, 500, 1_500]);
  });
});

describe('the connection for probes', () => {
  const opened = (name: string) => world.driver.connections.filter(({ options }) => options.node === name);

  test('is another one after a second without a primary: the name may have moved', async () => {
    await started();
    world.server('a').standby = true;
    await world.clock.advance(3_000);
    expect(world.monitor.topology.primary).toBeUndefined();
    expect(opened('a').length).toBeGreaterThan(1);
    expect(world.driver.open).toHaveLength(2);
  });

  test('stays what it is where another can’t be opened', async () => {
    await started();
    world.server('a').standby = true;
    world.driver.refuse(refused);
    await world.clock.advance(3_000);
    expect([world.health('a'), world.health('b')]).toEqual(['up', 'up']);
    expect(opened('a')).toHaveLength(1);
  });

  test('lives as long as those of the pools', async () => {
    await started();
    await world.clock.advance(1_799_000);
    expect(world.driver.connections).toHaveLength(2);
    await world.clock.advance(2_000);
    expect(world.driver.connections).toHaveLength(4);
    expect(world.driver.open).toHaveLength(2);
  });
});

describe('what pools notice', () => {
  test.each<[string, Parameters<Monitor['report']>[0], number]>([
    ['a broken connection is news', { kind: 'connection-failed', node: 'b', at: 0, cause: 'x' }, 1],
    ['a role that is known is none', { kind: 'role-reported', node: 'b', at: 0, inRecovery: true }, 0],
    ['another role is news', { kind: 'role-reported', node: 'b', at: 0, inRecovery: false }, 1],
    ['a stranger is none', { kind: 'connection-failed', node: 'x', at: 0, cause: 'x' }, 0],
  ])('%s', async (_, observation, probes) => {
    await world.monitor.probeAll();
    world.monitor.report(observation);
    await world.clock.advance(0);
    expect(world.probes['b']).toHaveLength(1 + probes);
  });

  test('of one failure is one probe, however many connections broke', async () => {
    await world.monitor.probeAll();
    for (let count = 0; count < 10; count++)
      world.monitor.report({ kind: 'connection-failed', node: 'b', at: 0, cause: 'x' });
    await world.clock.advance(0);
    expect(world.probes['b']).toHaveLength(2);
    expect(world.health('b')).toBe('up');
  });

  test('the loss of its own idle connection is news too', async () => {
    await world.monitor.probeAll();
    world.connectionOf('b').break();
    await world.clock.advance(0);
    expect(world.probes['b']).toHaveLength(2);
    expect(world.changes.some(([next]) => next.nodes[1]?.health === 'suspect')).toBe(true);
    expect(world.health('b')).toBe('up');
  });
});

describe('until', () => {
  const hasPrimary = ({ primary }: Topology) => primary !== undefined;

  test('resolves at once with what suits now', async () => {
    await world.monitor.probeAll();
    await expect(world.monitor.until(hasPrimary, 0)).resolves.toBe(world.monitor.topology);
  });

  test('resolves with the first topology that suits, and leaves no timer', async () => {
    const waiting = world.monitor.until(hasPrimary, 5_000);
    await world.monitor.probeAll();
    expect((await waiting)?.primary).toBe('a');
    expect(world.clock.pending).toBe(0);
  });

  test('gives up after its time', async () => {
    const waiting = world.monitor.until(hasPrimary, 5_000);
    await world.clock.advance(5_000);
    await expect(waiting).resolves.toBeUndefined();
  });

  test('gives up when the monitor stops', async () => {
    const waiting = world.monitor.until(hasPrimary, 5_000);
    await world.monitor.stop();
    await expect(waiting).resolves.toBeUndefined();
    await expect(world.monitor.until(hasPrimary, 5_000)).resolves.toBeUndefined();
    expect(world.clock.pending).toBe(0);
  });
});

describe('stop', () => {
  test.each<[string, () => unknown]>([
    ['between probes', () => {}],
    ['under a probe', () => ((world.server('a').fate = 'silent'), void world.monitor.probeNow('a'))],
    ['while it connects', () => (world.driver.hold(), world.connectionOf('a').break())],
    [
      'as a connection lands',
      () => {
        world.driver.hold();
        world.connectionOf('a').break();
        world.driver.held[0]?.accept();
      },
    ],
  ])('%s closes every connection, leaves no timer, and nothing is told any more', async (_, prepare) => {
    await started();
    prepare();
    const told = world.changes.length;
    await world.monitor.stop();
    await world.clock.advance(0);
    expect(world.driver.open).toEqual([]);
    expect(world.driver.held).toEqual([]);
    expect(world.clock.pending).toBe(0);
    world.monitor.report({ kind: 'connection-failed', node: 'a', at: 0, cause: 'x' });
    await world.monitor.probeAll();
    world.monitor.start();
    await world.clock.advance(10_000);
    expect(world.changes.length).toBe(told);
    expect(world.driver.open).toEqual([]);
  });

  test('twice is once', async () => {
    await started();
    await Promise.all([world.monitor.stop(), world.monitor.stop()]);
    expect(world.driver.open).toEqual([]);
  });
});

describe('a switchover', () => {
  test('takes the primary from everybody, and gives it back', async () => {
    await world.monitor.probeAll();
    world.monitor.hold();
    expect(world.monitor.topology.primary).toBeUndefined();
    await world.monitor.probeAllAnew();
    expect(world.monitor.topology.primary).toBeUndefined();
    await world.monitor.release();
    expect(world.monitor.topology.primary).toBe('a');
  });

  test('never ends with the old primary, however late the new one answers', async () => {
    await world.monitor.probeAll();
    world.monitor.hold();
    Object.assign(world.server('b'), { standby: false, timeline: 2, fate: 'slow' });
    const before = world.changes.length;
    const released = world.monitor.release('b');
    await world.clock.advance(100);
    for (const answer of world.answerAll.splice(0)) answer();
    await world.clock.advance(100);
    world.server('b').fate = 'up';
    for (const answer of world.answerAll.splice(0)) answer();
    await released;
    const seen = world.changes.slice(before).map(([next]) => next.primary);
    expect(new Set(seen)).toEqual(new Set([undefined, 'b']));
  });
});
