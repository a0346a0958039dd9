import { PgCluster } from 'nestjs-pg-mcp';
import { drill, EmbeddedCluster, type DrilledCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

let servers: EmbeddedCluster;
let cluster: PgCluster;

beforeAll(async () => {
  // Else what is acknowledged just before a kill may be lost, as it should be told then.
  const settings = { synchronous_standby_names: 'ANY 1 (*)' };
  servers = await EmbeddedCluster.start({ replicas: 2, settings });
  cluster = PgCluster.fromConfig(servers.config, { healthCheck: { interval: '100ms', timeout: '1s' } });
  await cluster.connect();
}, 30_000);

afterAll(async () => {
  await cluster.close();
  await servers.stop();
});

const few = { writers: 4, readers: 8, pauseMs: 5 };

it('rehearses the loss of a replica', { timeout: 60_000 }, async () => {
  const report = await drill({ servers, cluster }, { fault: 'kill-replica', ...few });
  expect(report).toMatchObject({ failedReads: [], failedWrites: [], lost: 0 });
  expect(report.firstWriteMs).toBeUndefined();
  expect(Math.min(report.reads, report.writes)).toBeGreaterThan(400);
  expect(servers.replicas.map(({ isRunning }) => isRunning)).toEqual([true, true]);
});

it(
  'rehearses a promotion by someone else, and brings the old primary back',
  { timeout: 60_000 },
  async () => {
    const { primary } = servers;
    const report = await drill({ servers, cluster }, { fault: 'promote-other', ...few });
    expect(report).toMatchObject({ failedReads: [], lost: 0 });
    expect(
      report.failedWrites.map(({ failure }) => failure).filter((code) => code !== 'CONNECTION_LOST'),
    ).toEqual([]);
    expect(report.steps.map(({ step }) => step)).toEqual(['primary-lost', 'primary-found']);
    expect(report.detectionMs).toBeGreaterThan(0);
    // Who wrote into the gap waited for its end, which the promotion alone puts off by 100 ms.
    expect(report.longestWriteMs).toBeGreaterThan(100);
    expect(report.longestWriteMs).toBeGreaterThan(report.firstWriteMs ?? Infinity);
    expect(servers.replicas).toContain(primary);
  },
);

it('counts what was acknowledged and is not there, and what failed', { timeout: 60_000 }, async () => {
  let count = 0;
  const forgetful: DrilledCluster = {
    on: (event, listener) => cluster.on(event, listener),
    off: (event, listener) => cluster.off(event, listener),
    getStatus: () => cluster.getStatus(),
    switchover: (target) => cluster.switchover(target),
    useReplica: (work) => {
      if (++count % 10 === 0) throw new Error('sick');
      return cluster.useReplica(work);
    },
    query: async (text, values) =>
      text.startsWith('INSERT') && ++count % 10 === 0 ? undefined : cluster.query(text, values),
  };
  const report = await drill({ servers, cluster: forgetful }, { fault: 'kill-replica', ...few });
  expect(report.lost).toBeGreaterThan(10);
  expect(new Set(report.failedReads.map(({ failure }) => failure))).toEqual(new Set(['Error: sick']));
});
