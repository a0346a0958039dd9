import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { NodeSession } from '../../lib/failover/node-session.js';
import { StandbySession } from '../../lib/failover/standby-session.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { settingOf, untilFollowing } from './promoting.js';

const KEY = 1n;

let servers: EmbeddedCluster;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 2 });
});

afterAll(() => servers.stop());

async function open(node: EmbeddedNode): Promise<StandbySession> {
  const { name, host, port } = node;
  const connection = await pgDriver.connect(
    {
      node: name,
      host,
      port,
      database: 'postgres',
      ...servers.config.monitor,
      ssl: false,
      applicationName: 'test',
      connectionTimeoutMs: 5_000,
      readOnly: false,
    },
    systemClock,
  );
  const find = (isIt: (node: EmbeddedNode) => boolean) => servers.nodes.find(isIt);
  return new StandbySession(new NodeSession(name, connection, systemClock, 5_000), {
    addressOf: (name) => sure(find((node) => node.name === name)),
    nodeAt: (address) => find((node) => node.port === address.port)?.name,
  });
}

it('is cut off, sent elsewhere and brought back, also where a URI leads to the primary', async () => {
  const [a, b] = servers.replicas.map((node) => sure(node));
  if (!a || !b) throw new Error('two replicas');
  const original = sure(await settingOf(a, 'primary_conninfo'));
  const { host, port, user, password } = Object.fromEntries(
    original.split(' ').map((pair) => pair.split('=')),
  ) as Record<string, string>;
  const uri = `postgresql://${user}:${password}@${host}:${port}/?application_name=${a.name}`;
  for (const conninfo of [original, uri]) {
    await a.query(`ALTER SYSTEM SET primary_conninfo = '${conninfo}'`);
    await a.query('SELECT pg_reload_conf()');
    await untilFollowing(a, 1);
    const session = await open(a);
    expect(await session.lock(KEY)).toBe(true);
    expect(await session.report(true)).toMatchObject({
      timeline: 1,
      receiver: { from: servers.primary.name },
    });

    await session.cut(1);
    const cut = await session.report();
    expect(cut).toMatchObject({ isStandby: true, sent: { timeline: 1 } });
    expect(cut.receiver).toBeUndefined();

    await session.repoint(b.name, 1, async () => true);
    const heard = async () => (await session.report()).receiver?.from === b.name;
    await until(heard, { deadlineMs: 10_000, what: 'the receiver to hear the other' });
    expect((await session.report()).sent).toEqual({ timeline: 1, to: b.name });

    await session.restore();
    await until(async () => (await settingOf(a, 'primary_conninfo')) === conninfo, {
      deadlineMs: 5_000,
      what: 'what was before',
    });
    await untilFollowing(a, 1);
    await session.end();
  }
});

it('a lock is one’s own', async () => {
  const [node] = servers.replicas;
  const [one, other] = [await open(sure(node)), await open(sure(node))];
  expect(await one.lock(KEY)).toBe(true);
  expect(await other.lock(KEY)).toBe(false);
  await one.end();
  expect(await other.lock(KEY)).toBe(true);
  await other.end();
});

it('whoever is paused loses the lock, and what was to be promoted is not', async () => {
  const node = sure(servers.replicas[0]);
  const paused = await open(node);
  expect(await paused.lock(KEY)).toBe(true);
  await until(
    async () => {
      const another = await open(node);
      const isFree = await another.lock(KEY);
      await another.end();
      return isFree;
    },
    { deadlineMs: 10_000, what: 'the lock to be let go' },
  );
  await expect(paused.promote(async () => {})).rejects.toThrow('was lost');
  expect(await settingOf(node, 'in_hot_standby')).toBe('on');
});
