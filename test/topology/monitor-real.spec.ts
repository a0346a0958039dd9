import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { loadSettings } from '../../lib/config/index.js';
import { monitorConnectOptions } from '../../lib/execution/connect-options.js';
import { parseLsn } from '../../lib/lsn.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import { systemBinFolders } from '../../lib/testing/system-binaries.js';
import { withClient } from '../../lib/testing/superuser.js';
import { Monitor } from '../../lib/topology/monitor.js';
import { probe } from '../../lib/topology/probe.js';
import { nodeOf, type NodeState, type Topology } from '../../lib/topology/topology.js';

const INTERVAL_MS = 100;
const TIMEOUT_MS = 500;
const PATIENCE_MS = 15_000;

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).toReversed()) await step();
});

async function start(replicas: number, postgres?: number): Promise<EmbeddedCluster> {
  const cluster = await EmbeddedCluster.start({ replicas, ...(postgres !== undefined && { postgres }) });
  cleanUp.push(() => cluster.stop());
  return cluster;
}

async function watch(cluster: EmbeddedCluster, config: object = cluster.config) {
  const settings = loadSettings(config as typeof cluster.config, {
    healthCheck: { interval: `${INTERVAL_MS}ms`, timeout: `${TIMEOUT_MS}ms` },
  });
  const monitor = new Monitor({
    settings,
    driver: pgDriver,
    clock: systemClock,
    random: Math.random,
    connectOptions: (node) => monitorConnectOptions(node, settings),
    onChange: () => {},
  });
  cleanUp.push(() => monitor.stop());
  await monitor.probeAll();
  monitor.start();
  const seen = async (what: string, suits: (topology: Topology) => boolean) => {
    if (await monitor.until(suits, PATIENCE_MS)) return;
    const { nodes } = monitor.topology;
    throw new Error(
      `never seen: ${what}; ${nodes.map(({ name, health }) => `${name} ${health}`).join(', ')}`,
    );
  };
  return {
    monitor,
    seen,
    seenOf: ({ name }: EmbeddedNode, what: string, suits: (node: NodeState) => boolean) =>
      seen(`${name} ${what}`, (topology) => {
        const node = nodeOf(topology, name);
        return node !== undefined && suits(node);
      }),
  };
}

function replicaOf(cluster: EmbeddedCluster, index = 0): EmbeddedNode {
  const node = cluster.replicas[index];
  if (!node) throw new Error(`no replica ${index}`);
  return node;
}

async function textOf(node: EmbeddedNode, sql: string): Promise<string> {
  const { rows } = await node.query<{ value: string }>(sql);
  return rows[0]?.value ?? '';
}

describe.each<[string, number | undefined]>([
  ['the version of the package', undefined],
  ['version 15 of the system', 15],
])('on %s', (_, major) => {
  const isMissing =
    major !== undefined && !systemBinFolders().some((folder) => folder.includes(`/${major}/`));

  test('the facts are what the servers say, and right at once after a promotion', async (context) => {
    if (isMissing) context.skip(`PostgreSQL ${major} is not installed here`);
    const cluster = await start(1, major);
    const { primary } = cluster;
    const replica = replicaOf(cluster);
    const { monitor, seen, seenOf } = await watch(cluster);
    const factsOf = ({ name }: EmbeddedNode) => nodeOf(monitor.topology, name)?.facts;
    const systemId = await textOf(primary, 'SELECT system_identifier AS value FROM pg_control_system()');
    expect(monitor.topology).toMatchObject({ systemId, primary: primary.name, newestTimeline: 1 });
    expect(factsOf(primary)).toEqual({
      inRecovery: false,
      systemId,
      timeline: 1,
      serverStartedAt: await textOf(
        primary,
        'SELECT extract(epoch FROM pg_postmaster_start_time())::text AS value',
      ),
      insertLsn: expect.any(BigInt),
    });
    expect(factsOf(replica)).toEqual({
      inRecovery: true,
      systemId,
      timeline: 1,
      replayTimeline: 1,
      serverStartedAt: await textOf(
        replica,
        'SELECT extract(epoch FROM pg_postmaster_start_time())::text AS value',
      ),
      receivedLsn: expect.any(BigInt),
      replayedLsn: expect.any(BigInt),
      isReplayPaused: false,
      receiver: 'streaming',
      sender: { host: primary.host, port: primary.port },
    });

    await primary.query('CREATE TABLE written AS SELECT generate_series(1, 1000)');
    const written = parseLsn(await textOf(primary, 'SELECT pg_current_wal_lsn()::text AS value'));
    await seenOf(replica, 'to have replayed it', ({ facts, lag }) => {
      return (facts?.replayedLsn ?? 0n) >= written && lag?.bytes === 0 && lag.ms === 0;
    });

    await primary.kill();
    await replica.promote();
    // The control file says 1 until the next checkpoint: what the probe reads must not.
    const facts = await withClient(replica.connectionString, (client) =>
      probe({ query: (text) => client.query(text as string) as never }),
    );
    expect(facts).toMatchObject({ inRecovery: false, timeline: 2 });
    await seen('the new primary', (topology) => topology.primary === replica.name);
    expect(monitor.topology.newestTimeline).toBe(2);
  });
});

test('lag rises in bytes and in seconds while replay is paused, and returns to zero', async () => {
  const cluster = await start(1);
  const replica = replicaOf(cluster);
  const { seenOf, monitor } = await watch(cluster);
  await replica.pauseReplay();
  await cluster.primary.query('CREATE TABLE big AS SELECT generate_series(1, 20000)');
  await seenOf(replica, 'bytes behind', ({ lag }) => (lag?.bytes ?? 0) > 500_000 && (lag?.ms ?? 0) > 300);
  expect(nodeOf(monitor.topology, replica.name)?.facts).toMatchObject({
    isReplayPaused: true,
    receiver: 'streaming',
  });
  const before = nodeOf(monitor.topology, replica.name)?.lag?.ms ?? 0;
  await seenOf(replica, 'longer behind', ({ lag }) => (lag?.ms ?? 0) > before + 300);
  await replica.resumeReplay();
  await seenOf(replica, 'back at zero', ({ lag }) => lag?.bytes === 0 && lag.ms === 0);
});

test('a killed replica is down within its detection time, and up after its start', async () => {
  const cluster = await start(1);
  const replica = replicaOf(cluster);
  const { seenOf, monitor } = await watch(cluster);
  const killed = systemClock.now();
  await replica.kill();
  await seenOf(replica, 'down', ({ health }) => health === 'down');
  // Its idle connection breaks at once; then three refusals, one interval apart.
  expect(systemClock.now() - killed).toBeLessThan(1_500);
  expect(monitor.topology.primary).toBe(cluster.primary.name);
  await replica.start();
  await seenOf(replica, 'up', ({ health, facts }) => health === 'up' && facts?.receiver === 'streaming');
});

test('a frozen primary is suspect, then down, and is the primary again when it thaws', async () => {
  const cluster = await start(1);
  const { primary } = cluster;
  const { seenOf, seen } = await watch(cluster);
  await primary.freeze();
  await seenOf(primary, 'suspect', ({ health }) => health === 'suspect');
  await seenOf(primary, 'down', ({ health }) => health === 'down');
  await seen('no primary', (topology) => topology.primary === undefined);
  await primary.thaw();
  await seen('the primary', (topology) => topology.primary === primary.name);
});

test('a promotion beside a living primary: the new one is it, the old is refused', async () => {
  const cluster = await start(2);
  const { primary } = cluster;
  const [promoted, other] = [replicaOf(cluster), replicaOf(cluster, 1)];
  const { seen, seenOf, monitor } = await watch(cluster);
  await promoted.promote();
  await seen('the new primary', (topology) => topology.primary === promoted.name);
  await seenOf(primary, 'refused', ({ trouble }) => trouble?.kind === 'stale-primary');
  expect(nodeOf(monitor.topology, other.name)?.health).toBe('up');
});

test('an account without pg_monitor sees roles, timelines and lag, and that a receiver is connected', async () => {
  const cluster = await start(1);
  const replica = replicaOf(cluster);
  await cluster.primary.query(`CREATE ROLE plain LOGIN PASSWORD 'plain'`);
  const { primary } = cluster;
  const created = parseLsn(await textOf(primary, 'SELECT pg_current_wal_lsn()::text AS value'));
  const config = { ...cluster.config, monitor: { user: 'plain', password: 'plain' } };
  const { seenOf, monitor } = await watch(cluster, config);
  await seenOf(replica, 'seen by it', ({ facts }) => (facts?.replayedLsn ?? 0n) >= created);
  expect(nodeOf(monitor.topology, primary.name)).toMatchObject({
    role: 'primary',
    health: 'up',
    facts: { timeline: 1, insertLsn: expect.any(BigInt) },
  });
  await seenOf(replica, 'caught up', ({ lag, isLagging }) => lag?.bytes === 0 && !isLagging);
  const { facts } = nodeOf(monitor.topology, replica.name) ?? {};
  expect(facts).toMatchObject({ inRecovery: true, receiver: 'connected' });
  expect(facts).not.toHaveProperty('timeline');
});
