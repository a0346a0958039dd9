import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FailoverEvent } from 'nestjs-pg-mcp';
import { FakeDriver } from 'nestjs-pg-mcp/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { Tls } from '../../lib/config/tls.js';
import type { ClusterSettings } from '../../lib/config/settings.js';
import { Journal } from '../../lib/failover/journal.js';
import { PatroniEngine } from '../../lib/failover/patroni.js';
import { Monitor } from '../../lib/topology/monitor.js';
import { until } from '../support/until.js';
import { settingsOf, SYSTEM } from '../topology/scene.js';

interface FakeNode {
  standby: boolean;
  timeline: number;
}

/** Two servers, and a Patroni that says of them what the test wants. */
class World {
  readonly servers: Record<string, FakeNode> = {
    a: { standby: false, timeline: 1 },
    b: { standby: true, timeline: 1 },
  };
  /** What `/cluster` answers; undefined: 503. */
  leader: { name: string; timeline?: number } | undefined = { name: 'a', timeline: 1 };
  strangers: readonly string[] = [];
  isDown = false;
  /** How often the members were asked for. */
  looks = 0;
  /** Who says of itself, asked by `/primary`, that it is. */
  primaries = new Set<string>();
  switched: ((body: unknown) => [number, string]) | undefined;
  readonly events: FailoverEvent[] = [];
  readonly #http: Server;
  monitor!: Monitor;
  engine!: PatroniEngine;

  constructor() {
    this.#http = createServer((request, response) => {
      const [, node, path] = request.url?.split('/') ?? [];
      const send = (status: number, body: unknown) =>
        response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
      if (this.isDown) send(503, 'DCS is not accessible');
      else if (path === 'cluster') {
        this.looks += 1;
        send(200, { members: this.#members() });
      } else if (path === 'primary') send(this.primaries.has(node ?? '') ? 200 : 503, {});
      else if (path?.startsWith('replica')) send(node === 'lagging' ? 503 : 200, {});
      else if (request.method === 'POST')
        request.on('data', (data: Buffer) =>
          send(...(this.switched?.(JSON.parse(data.toString())) ?? [503, 'no'])),
        );
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve));
    const settings = {
      nodes: settingsOf('a', 'b'),
      healthCheck: { intervalMs: 20, timeoutMs: 1_000 },
      pool: { maxLifetimeMs: 1_800_000 },
      routing: { maxLagMs: 10_000, maxLagBytes: 1_000 },
      failover: {
        retryDelayMs: 10,
        maxRetryAttempts: 3,
        maxDataLossBytes: 16,
        patroni: { urls: [this.#url('a')], ssl: new Tls(), timeoutMs: 1_000 },
      },
    } as unknown as ClusterSettings;
    const driver = new FakeDriver();
    driver.answer = (_, { options }) => [this.#row(options.node)];
    const parts = { settings, clock: systemClock, random: () => 0.5 };
    this.monitor = new Monitor({
      ...parts,
      driver,
      connectOptions: ({ name, host, port, database }) => ({
        node: name,
        host,
        port,
        database,
        ssl: false,
        user: 'monitor',
        applicationName: 'test',
        connectionTimeoutMs: 1_000,
        readOnly: false,
      }),
      onChange: (next, previous) => this.engine.changed(next, previous),
    });
    const journal = new Journal({
      cluster: 'test',
      clock: systemClock,
      emit: (event) => this.events.push(event),
      ended: () => {},
    });
    this.engine = new PatroniEngine({
      ...parts,
      monitor: this.monitor,
      journal,
      connect: () => Promise.reject(new Error('nobody asks')),
    });
    await this.monitor.probeAll();
    this.monitor.start();
    await this.engine.start();
  }

  async stop(): Promise<void> {
    await this.engine.stop();
    await this.monitor.stop();
    this.#http.closeAllConnections();
    this.#http.close();
  }

  get primary(): string | undefined {
    return this.monitor.topology.primary;
  }

  async untilPrimary(name: string | undefined): Promise<void> {
    await until(() => this.primary === name, { deadlineMs: 5_000, what: `the primary to be ${name}` });
  }

  get told(): readonly string[] {
    return this.events.map(({ step, detail }) => `${step}: ${detail}`);
  }

  /** All of them are one server here, by a path each. */
  #url(node: string): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/${node}`;
  }

  #members(): unknown[] {
    const names = [...Object.keys(this.servers), ...this.strangers];
    return names.map((name) => ({
      name,
      role: name === this.leader?.name ? 'leader' : 'replica',
      state: 'running',
      host: name,
      port: 5432,
      api_url: this.#url(name),
      ...(name === this.leader?.name && { timeline: this.leader.timeline }),
    }));
  }

  #row(name: string) {
    const { standby, timeline } = this.servers[name] ?? { standby: true, timeline: 1 };
    return {
      standby,
      system_id: SYSTEM,
      timeline,
      insert_lsn: null,
      receiver: standby ? 'streaming' : 'none',
    };
  }
}

let world: World;

beforeEach(() => {
  world = new World();
});

afterEach(() => world.stop());

test('two that are writable on one timeline: the leader is used, and the other when it leads', async () => {
  world.servers['b'] = { standby: false, timeline: 1 };
  await world.start();
  await world.untilPrimary('a');
  world.leader = { name: 'b', timeline: 1 };
  await world.untilPrimary('b');
  expect(world.events).toEqual([]);
});

test('a leader that is not promoted yet is waited for, and probed at each look', async () => {
  await world.start();
  world.leader = { name: 'b', timeline: 1 };
  await world.untilPrimary(undefined);
  world.servers['b'] = { standby: false, timeline: 2 };
  await world.untilPrimary('b');
});

test('a leader on a lower timeline is taken when it says so itself, loudly and once', async () => {
  world.servers['b'] = { standby: false, timeline: 2 };
  world.primaries.add('nobody');
  await world.start();
  const looks = world.monitor.topology.version;
  await until(() => world.monitor.topology.version > looks + 10, { deadlineMs: 5_000, what: 'some probes' });
  expect(world.primary).toBe('b');
  expect(world.events).toEqual([]);

  world.primaries.add('a');
  await world.untilPrimary('a');
  const before = world.monitor.topology.version;
  await until(() => world.monitor.topology.version > before + 10, { deadlineMs: 5_000, what: 'some probes' });
  expect(world.primary).toBe('a');
  expect(world.told).toEqual([
    "lower-timeline-accepted: Patroni's leader is on timeline 1; higher ones count no more",
  ]);

  // Without Patroni too.
  world.isDown = true;
  await until(() => world.told.length > 1, { deadlineMs: 5_000, what: 'the warning' });
  expect(world.primary).toBe('a');
  world.isDown = false;
  await until(() => world.told.length > 2, { deadlineMs: 5_000, what: 'Patroni to answer again' });
  expect(world.primary).toBe('a');

  // Rewound, the other follows; promoted one day, it leads.
  world.servers['a'] = { standby: true, timeline: 1 };
  world.servers['b'] = { standby: false, timeline: 2 };
  world.leader = { name: 'b', timeline: 2 };
  await world.untilPrimary('b');
});

test('without Patroni all goes as in follow, with one warning and one when it is back', async () => {
  world.servers['b'] = { standby: false, timeline: 1 };
  await world.start();
  await world.untilPrimary('a');
  world.isDown = true;
  await world.untilPrimary(undefined);
  world.servers['b'] = { standby: false, timeline: 2 };
  await world.untilPrimary('b');
  world.leader = { name: 'b', timeline: 2 };
  world.isDown = false;
  await until(() => world.events.length > 1, { deadlineMs: 5_000, what: 'the second warning' });
  expect(world.told).toEqual([
    expect.stringMatching(
      /^warning: Patroni can't be asked, so the primary is found as in mode follow \(127\.0\.0\.1:\d+: DCS is not accessible \(HTTP 503\)\)$/,
    ),
    'warning: Patroni answers again',
  ]);
});

test('members that are not configured are warned of once, and a leader among them is none', async () => {
  world.strangers = ['x', 'y'];
  world.leader = { name: 'x', timeline: 1 };
  await world.start();
  await until(() => world.looks > 3, { deadlineMs: 5_000, what: 'some looks' });
  world.strangers = ['x', 'y', 'z'];
  await until(() => world.events.length > 1, { deadlineMs: 5_000, what: 'the second warning' });
  expect(world.primary).toBe('a');
  expect(world.told).toEqual([
    'warning: Patroni has members that are not configured, and get no statements: x (x:5432), y (y:5432)',
    'warning: Patroni has members that are not configured, and get no statements: x (x:5432), y (y:5432), z (z:5432)',
  ]);
});

test('a switchover ends when another is seen to lead, also while nobody may get it', async () => {
  await world.start();
  const asked: unknown[] = [];
  world.switched = (body) => {
    asked.push(body);
    world.servers['a'] = { standby: true, timeline: 2 };
    world.servers['b'] = { standby: false, timeline: 2 };
    world.leader = { name: 'b', timeline: 1 };
    return [200, 'Successfully switched over to "b"'];
  };
  world.monitor.hold();
  expect(await world.engine.switchover('a', 'b')).toBe('b');
  await world.monitor.release();
  expect(world.primary).toBe('b');
  expect(asked).toEqual([{ leader: 'a', candidate: 'b' }]);
});

test.each<[string, () => unknown, string | undefined, string, boolean]>([
  ['Patroni refuses', () => (world.switched = () => [412, 'no good']), 'b', 'no good (HTTP 412)', true],
  ['it fails', () => (world.switched = () => [503, 'failed']), undefined, 'failed (HTTP 503)', false],
  ['another leads', () => (world.leader = { name: 'b' }), 'b', 'its leader is b, not a', true],
  ['nobody leads', () => (world.leader = undefined), 'b', 'its leader is nobody, not a', true],
  ['nobody is of that name', () => {}, 'c', 'c is none of its members', true],
])('a switchover that fails says why: %s', async (_, arrange, to, message, safeToRetry) => {
  await world.start();
  arrange();
  await expect(world.engine.switchover('a', to)).rejects.toMatchObject({
    code: 'SWITCHOVER_FAILED',
    message: `Patroni did not switch over: ${message}`,
    safeToRetry,
  });
});

test('the end of the cluster ends a switchover that is waited for', async () => {
  await world.start();
  world.switched = () => [200, 'done, so it says'];
  const asked = world.engine.switchover('a', 'b');
  const failed = expect(asked).rejects.toMatchObject({ code: 'SWITCHOVER_FAILED' });
  await until(() => world.monitor.topology.version > 5, { deadlineMs: 5_000, what: 'some probes' });
  await world.engine.stop();
  await failed;
});
