import { expect, it } from 'vitest';
import { fakeCluster } from './fake-cluster.js';

const SETTINGS = { connectionPool: { acquireTimeout: '3s', minConnections: 0 } };

it('two primaries on one timeline: writes fail at once and name both, reads on replicas go on', async () => {
  await using fake = await fakeCluster(SETTINGS);
  const steps: string[] = [];
  fake.cluster.on('failover', ({ step }) => steps.push(step));
  fake.nodes.p.standby = true;
  await fake.probe();
  const waiting = fake.cluster.query('INSERT').catch((error: unknown) => error);
  await fake.clock.advance(0);
  fake.nodes.p.standby = false;
  fake.nodes.r1.standby = false;
  await fake.probe();
  const split = {
    code: 'SPLIT_BRAIN',
    safeToRetry: true,
    message: expect.stringMatching(/p and r1 are writable on the same timeline.*stop one of them/),
  };
  expect(await waiting).toMatchObject(split);
  await expect(fake.cluster.query('INSERT')).rejects.toMatchObject(split);
  await expect(fake.cluster.transaction(() => fake.cluster.query('INSERT'))).rejects.toMatchObject(split);
  const read = await fake.cluster.useReplica(() => fake.cluster.query('SELECT 1'));
  expect(read.rows).toEqual([{ node: 'r2' }]);
  expect(steps).toContain('split-brain');

  fake.nodes.r1.standby = true;
  await fake.probe();
  expect((await fake.cluster.query('INSERT')).rows).toEqual([{ node: 'p' }]);
  expect(steps).toContain('split-brain-resolved');
});
