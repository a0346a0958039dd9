import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { Client } from 'pg';
import { expect, it, vi } from 'vitest';
import { sure } from '../support/sure.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { Promoting, settingOf, untilFollowing, writable } from './promoting.js';

vi.setConfig({ testTimeout: 60_000 });

it('a replica is promoted when the primary is killed, and the other follows it', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  await using promoting = await Promoting.connect(servers.config);
  const { cluster } = promoting;
  await cluster.query('CREATE TABLE written (id int)');
  const former = servers.primary;
  await former.kill();

  await cluster.query('INSERT INTO written VALUES (1)');

  const other = sure(servers.replicas[0]);
  expect(servers.primary).not.toBe(former);
  await untilFollowing(other, 2);
  expect(promoting.steps).toEqual([
    'warning',
    'primary-lost',
    'locks-taken',
    'cut-off',
    'candidate-chosen',
    'others-repointed',
    'promoted',
    'primary-found',
  ]);
  const isRestored = async () =>
    (await settingOf(servers.primary, 'primary_conninfo'))?.includes('nestjs-pg-mcp') === false;
  await until(isRestored, { deadlineMs: 5_000, what: 'what was set for the promotion to be taken back' });
});

it('a frozen primary is replaced; when it thaws it is kept out and fenced', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  await using promoting = await Promoting.connect(servers.config);
  const { cluster } = promoting;
  await cluster.query('CREATE TABLE written (id int)');
  const former = servers.primary;
  const somebody = new Client(sure(servers.config.masters[0]));
  let hasEnded = false;
  somebody.on('error', () => (hasEnded = true));
  await somebody.connect();
  await former.freeze();
  await promoting.told('promoted');
  await cluster.query('INSERT INTO written VALUES (1)');

  await former.thaw();
  const { node } = await promoting.told('node-fenced');
  expect(node).toBe(former.name);
  expect(promoting.steps).toContain('node-quarantined');
  await expect(former.query('INSERT INTO written VALUES (2)')).rejects.toMatchObject({ code: '25006' });
  await until(() => hasEnded, { deadlineMs: 5_000, what: 'the session of somebody else to be ended' });
  expect((await cluster.query('SELECT * FROM written')).rows).toEqual([{ id: 1 }]);
  const fences = promoting.steps.filter((step) => step === 'node-fenced');
  expect(fences).toHaveLength(1);
});

it('a former primary that comes back with more log than the new one is kept out all the same', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  await using promoting = await Promoting.connect(servers.config);
  const { cluster } = promoting;
  await cluster.query('CREATE TABLE written (id int)');
  const [former, { replicas }] = [servers.primary, servers];
  await Promise.all(replicas.map((node) => node.stop()));
  // Acknowledged without a standby, and so lost: what the warning at the start is about.
  await cluster.query('INSERT INTO written SELECT generate_series(1, 10000)');
  await former.kill();
  await Promise.all(replicas.map((node) => node.start()));
  await promoting.told('promoted');
  await cluster.query('INSERT INTO written VALUES (0)');

  await former.start();
  await promoting.told('node-fenced');
  // A connection of ours may be among those that the fence ends: then it is asked once more.
  const seen = () => cluster.getStatus().nodes.find(({ name }) => name === former.name);
  await until(() => seen()?.health === 'refused', { deadlineMs: 5_000, what: 'it to be refused' });
  expect(seen()?.reason).toBe('is writable on timeline 1, but the cluster has reached 2');
  expect((await cluster.query('SELECT * FROM written')).rows).toEqual([{ id: 0 }]);
  const { rows } = await former.query('SELECT count(*)::int AS n FROM written');
  expect(rows).toEqual([{ n: 10_000 }]);
});

it('a minority promotes nobody; once the other replica is back it does', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  await using promoting = await Promoting.connect(servers.config);
  const { cluster } = promoting;
  const gone = sure(servers.replicas[1]);
  await Promise.all([servers.primary.kill(), gone.kill()]);

  const { detail } = await promoting.told('promotion-refused');
  expect(detail).toBe('1 of 3 nodes are replicas that answer, 2 are a majority');
  expect([...(await writable(servers))]).toEqual([]);

  await gone.start();
  await promoting.told('promoted');
  await cluster.query('CREATE TABLE written (id int)');
  expect([...(await writable(servers)).values()]).toEqual([2]);
  expect(promoting.steps.filter((step) => step === 'promotion-refused').length).toBeLessThanOrEqual(2);
});

it('a primary that only we don’t reach is left alone', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  await using proxy = await TcpProxy.start(servers.primary);
  const { config } = servers;
  const [master] = config.masters;
  await using promoting = await Promoting.connect({
    ...config,
    masters: [{ ...sure(master), port: proxy.port }],
  });
  proxy.blackHole();
  const { detail } = await promoting.told('promotion-refused');
  expect(detail).toContain('still hears the primary');
  proxy.heal();
  await promoting.told('primary-found');
  expect([...(await writable(servers)).values()]).toEqual([1]);
  for (const replica of servers.replicas)
    expect(await settingOf(replica, 'primary_conninfo')).not.toContain('nestjs-pg-mcp');
});

it('the new primary may die too', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 4 });
  await using promoting = await Promoting.connect(servers.config);
  const { cluster } = promoting;
  await cluster.query('CREATE TABLE written (id int)');
  for (const id of [1, 2]) {
    await servers.primary.kill();
    await cluster.query('INSERT INTO written VALUES ($1)', [id]);
    for (const replica of servers.replicas) if (replica.isRunning) await untilFollowing(replica, id + 1);
  }
  expect((await cluster.query('SELECT * FROM written')).rows).toEqual([{ id: 1 }, { id: 2 }]);
  expect([...(await writable(servers)).values()]).toEqual([3]);
});

it('nobody is promoted who lacks more than may be lost', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  await using promoting = await Promoting.connect(servers.config, { failover: { maxDataLoss: '64KiB' } });
  const { cluster } = promoting;
  await cluster.query('CREATE TABLE written (text text)');
  const { primary, replicas } = servers;
  await Promise.all(replicas.map((replica) => replica.kill()));
  await cluster.query(`INSERT INTO written SELECT repeat('x', 1000) FROM generate_series(1, 1000)`);
  await cluster.healthCheck();
  await primary.kill();
  await Promise.all(replicas.map((replica) => replica.start()));
  await promoting.told('promotion-refused', 'failover.max_data_loss is 65536');
  await primary.start();
  await promoting.told('primary-found');
  expect([...(await writable(servers)).values()]).toEqual([1]);
});

it('a fence from before and a missing replication slot are no hindrance', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  const alter = async (node: EmbeddedNode, setting: string) => {
    await node.query(`ALTER SYSTEM SET ${setting}`);
    await node.query('SELECT pg_reload_conf()');
  };
  const { primary, replicas } = servers;
  for (const replica of replicas) {
    await primary.query('SELECT pg_create_physical_replication_slot($1)', [replica.name]);
    await alter(replica, `primary_slot_name = '${replica.name}'`);
    await alter(replica, 'default_transaction_read_only = on');
    await untilFollowing(replica, 1);
  }
  await using promoting = await Promoting.connect(servers.config);
  await primary.kill();
  await promoting.cluster.query('CREATE TABLE written (id int)');
  const other = sure(servers.replicas[0]);
  await untilFollowing(other, 2);
  expect(await settingOf(other, 'primary_slot_name')).toBe('');
  expect(await settingOf(servers.primary, 'primary_slot_name')).toBe(servers.primary.name);
});

it('a replica that was down meanwhile is sent to the new primary', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 4 });
  await using promoting = await Promoting.connect(servers.config);
  const late = sure(servers.replicas[2]);
  await late.kill();
  await servers.primary.kill();
  await promoting.told('promoted');
  await late.start();
  await untilFollowing(late, 2);
});

it('with one replica nobody is promoted, unless that risk is taken', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 1 });
  await using careful = await Promoting.connect(servers.config);
  await servers.primary.kill();
  const { detail } = await careful.told('promotion-refused');
  expect(detail).toContain('with fewer than two replicas there never is a majority');
  await careful.cluster.close();

  await servers.primary.start();
  await using daring = await Promoting.connect(servers.config, { failover: { withoutQuorum: true } });
  expect(daring.events.map((event) => event.detail).join()).toContain(
    'two primaries may come of a partition',
  );
  await servers.primary.kill();
  await daring.told('promoted');
  await until(() => daring.cluster.getStatus().primary === servers.primary.name, {
    deadlineMs: 5_000,
    what: 'the new primary',
  });
});
