import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { expect, it, vi } from 'vitest';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { ContenderProcess } from './contender-process.js';
import { Promoting, settingOf, untilFollowing, writable } from './promoting.js';

vi.setConfig({ testTimeout: 60_000 });

async function untilRestored(servers: EmbeddedCluster): Promise<void> {
  for (const replica of servers.replicas) {
    await until(async () => !(await settingOf(replica, 'primary_conninfo'))?.includes('nestjs-pg-mcp'), {
      deadlineMs: 20_000,
      what: `${replica.name} to be sent back`,
    });
  }
}

it('what a process that died has cut off is brought back when the primary is', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  const { config, primary } = servers;
  await using dying = new ContenderProcess({
    config,
    options: { failover: { mode: 'promote' }, healthCheck: { interval: '250ms', timeout: '500ms' } },
    death: { when: 'before', words: 'SELECT pg_promote', nth: 1 },
  });
  // It sees no majority, so that it does not contend.
  const gone = [1, 2].map((port) => ({ ...sure(config.replicas[0]), name: `gone${port}`, port }));
  await using patient = await Promoting.connect(
    { ...config, replicas: [...config.replicas, ...gone] },
    { healthCheck: { interval: '250ms', timeout: '500ms' } },
  );
  await dying.connected();
  await primary.freeze();
  await dying.ended();
  expect([...(await writable(servers))]).toEqual([]);
  await primary.thaw();

  await patient.told('backed-out');
  await untilRestored(servers);
  for (const replica of servers.replicas) await untilFollowing(replica, 1);
  expect([...(await writable(servers)).values()]).toEqual([1]);
});

it('a process that stops puts back what it has touched', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  await using promoting = await Promoting.connect(servers.config);
  let closing: Promise<void> | undefined;
  promoting.cluster.on('failover', ({ step }) => {
    if (step === 'candidate-chosen') closing ??= promoting.cluster.close();
  });
  await servers.primary.kill();
  await promoting.told('backed-out');
  await closing;
  await untilRestored(servers);
  expect([...(await writable(servers))]).toEqual([]);
  await servers.primary.start();
  for (const replica of servers.replicas) await untilFollowing(replica, 1);
});

it('a primary that is back during the promotion is kept out', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  const { primary: former } = servers;
  await using promoting = await Promoting.connect(servers.config);
  promoting.cluster.on('failover', ({ step }) => {
    if (step === 'others-repointed') void former.thaw();
  });
  await former.freeze();
  await promoting.told('promoted');
  await promoting.told('node-fenced');
  expect(promoting.cluster.getStatus().primary).toBe(servers.primary.name);
  expect(servers.primary).not.toBe(former);
  expect(await promoting.cluster.query('CREATE TABLE written (id int)')).toBeDefined();
});
