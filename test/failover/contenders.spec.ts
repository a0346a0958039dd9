import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { expect, test, vi } from 'vitest';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { contest } from './contest.js';
import { Promoting, untilFollowing, writable } from './promoting.js';

vi.setConfig({ testTimeout: 60_000 });

test.each([2, 4, 8])('of %i clusters that contend, one promotes', async (count) => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  const { config, primary } = servers;
  const contenders = await Promise.all(
    Array.from({ length: count }, (_, index) => Promoting.connect(config, {}, `contender ${index}`)),
  );
  try {
    await primary.kill();
    await until(() => contenders.every(({ steps }) => steps.includes('primary-found')), {
      deadlineMs: 20_000,
      what: 'all to find the new primary',
    });
    await untilFollowing(sure(servers.replicas[0]), 2);
    expect([...(await writable(servers)).values()]).toEqual([2]);
    expect(contenders.filter(({ steps }) => steps.includes('promoted'))).toHaveLength(1);
    const primaries = contenders.map(({ cluster }) => cluster.getStatus().primary);
    expect(new Set(primaries)).toEqual(new Set([servers.primary.name]));
  } finally {
    await Promise.all(contenders.map(({ cluster }) => cluster.close()));
  }
});

test('of three processes that contend, one promotes', async () => {
  expect(await contest(3)).toMatchObject({ promoters: 1, timelines: [2] });
});
