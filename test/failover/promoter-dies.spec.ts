import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { until } from '../support/until.js';
import { ContenderProcess } from './contender-process.js';
import type { Death } from './contender.js';
import { Promoting, settingOf, untilFollowing, writable } from './promoting.js';

vi.setConfig({ testTimeout: 60_000 });

const OPTIONS = {
  failover: { mode: 'promote' },
  healthCheck: { interval: '250ms', timeout: '1s' },
} as const;

const DEATHS: readonly Death[] = [
  { when: 'after', words: 'pg_try_advisory_lock', nth: 2 },
  { when: 'after', words: 'ALTER SYSTEM SET primary_conninfo .*/cut ', nth: 1 },
  { when: 'after', words: 'SELECT pg_reload_conf', nth: 1 },
  { when: 'after', words: 'SELECT pg_reload_conf', nth: 2 },
  { when: 'after', words: 'ALTER SYSTEM SET primary_conninfo .*/127.0.0.1:', nth: 1 },
  { when: 'after', words: 'SELECT pg_reload_conf', nth: 3 },
  { when: 'before', words: 'SELECT pg_promote', nth: 1 },
  { when: 'after', words: 'SELECT pg_promote', nth: 1 },
  { when: 'before', words: 'ALTER SYSTEM SET primary_conninfo ((?!nestjs-pg-mcp).)*$', nth: 1 },
];

let servers: EmbeddedCluster;
let timeline = 1;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 2 });
});

afterAll(() => servers.stop());

test.each(DEATHS)('it dies $when $words ($nth), and another finishes', async (death) => {
  const { config, primary: former } = servers;
  await using dying = new ContenderProcess({ config, options: OPTIONS, death });
  // It gives the primary up later, when the other is dead.
  await using next = await Promoting.connect(config, { failover: { maxRetryAttempts: 8 } });
  await dying.connected();
  await former.kill();
  await dying.ended();
  expect(dying.signal).toBe('SIGKILL');

  timeline += 1;
  const found = () => next.cluster.getStatus().primary;
  await until(() => found() !== undefined && found() !== former.name, {
    deadlineMs: 20_000,
    what: 'a primary',
  });
  expect([...(await writable(servers)).values()]).toEqual([timeline]);
  const { replicas } = servers;
  for (const replica of replicas) {
    await untilFollowing(replica, timeline);
    expect(await settingOf(replica, 'primary_conninfo')).toContain(`port='${servers.primary.port}'`);
  }
  expect(found()).toBe(servers.primary.name);
  // For the next one.
  for (const node of [former, ...replicas]) await servers.rejoin(node);
});
