import { Test } from '@nestjs/testing';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { PgCluster, PgMcpModule } from 'nestjs-pg-mcp';
import { PgMcpMetricsModule } from 'nestjs-pg-mcp/metrics';
import { register } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';
import { parseExposition } from '../support/exposition.js';
import { ClusterMetrics } from '../../lib/nest/metrics/cluster-metrics.js';
import { OBSERVED_METRICS, SCRAPED_METRICS } from '../../lib/nest/metrics/definitions.js';
import { ClusterRegistry } from '../../lib/nest/cluster-registry.js';
import { fakeCluster } from '../execution/fake-cluster.js';

afterEach(() => register.clear());

const scrape = async () => parseExposition(await register.metrics());

async function start(name: string) {
  const { config } = await freshDatabase();
  const app = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({ config, name }),
      PrometheusModule.register({ defaultMetrics: { enabled: false } }),
      PgMcpMetricsModule,
    ],
  }).compile();
  return app.init();
}

describe('/metrics', () => {
  it('tells of two applications in one process, and only of those that run', async () => {
    const [one, two] = [await start('one'), await start('two')];
    const clusters = async (metric: string) =>
      [...new Set((await scrape()).all(metric).map(({ labels }) => labels['cluster']))].toSorted();
    expect(await clusters('db_pool_size')).toEqual(['one', 'two']);
    await one.get<PgCluster>('PgCluster:one').query('SELECT 1');
    await two.get<PgCluster>('PgCluster:two').query('SELECT 1');
    expect(await clusters('db_query_duration_seconds_count')).toEqual(['one', 'two']);
    expect((await scrape()).value('db_query_duration_seconds_count', { cluster: 'one' })).toBe(1);
    await one.close();
    expect(await clusters('db_pool_size')).toEqual(['two']);
    await two.close();
    expect(await clusters('db_pool_size')).toEqual([]);
  });

  it('follows a change of roles, keeps no series of the former, and goes on after the close', async () => {
    const app = await start('real');
    await using fake = await fakeCluster();
    const registry = new ClusterRegistry();
    await registry.start(fake.cluster);
    const names = ['db_pool_size', 'db_replica_lag_bytes'];
    const metrics = [...SCRAPED_METRICS, ...OBSERVED_METRICS].map(({ name }) => {
      return [name, register.getSingleMetric(name)] as const;
    });
    const own = new ClusterMetrics(
      registry,
      new Map(metrics) as ConstructorParameters<typeof ClusterMetrics>[1],
    );
    own.onApplicationBootstrap();
    const roles = async (name: string) =>
      (await scrape())
        .all(name)
        .filter(({ labels }) => labels['cluster'] === 'default')
        .map(({ labels }) => `${labels['node']} ${labels['role']}`)
        .toSorted();
    expect(await Promise.all(names.map(roles))).toEqual([
      ['p primary', 'r1 replica', 'r2 replica'],
      ['r1 replica', 'r2 replica'],
    ]);
    fake.nodes.p = { standby: true, timeline: 2, replayed: 100 };
    fake.nodes.r1 = { standby: false, timeline: 2, replayed: 0 };
    fake.nodes.r2 = { standby: true, timeline: 2, replayed: 100 };
    await fake.probe();
    expect(await Promise.all(names.map(roles))).toEqual([
      ['p replica', 'r1 primary', 'r2 replica'],
      ['p replica', 'r2 replica'],
    ]);
    const decisions = async () =>
      (await scrape()).value('db_routing_decisions_total', { cluster: 'default', reason: 'not-parsed' });
    await fake.cluster.query('ANYTHING');
    await fake.cluster.close();
    expect(await decisions()).toBe(1);
    expect(await decisions()).toBe(1);
    expect((await scrape()).value('db_active_connections', { cluster: 'default' })).toBe(0);
    own.onApplicationShutdown();
    await app.close();
  });
});
