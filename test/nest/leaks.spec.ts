import { Controller, Get, type INestApplication, type LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { PgCluster, PgMcpModule, UseMaster, type LeakEvent } from 'nestjs-pg-mcp';
import { PgMcpMetricsModule } from 'nestjs-pg-mcp/metrics';
import { register } from 'prom-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';
import { parseExposition } from '../support/exposition.js';
import { until } from '../support/until.js';

const told: LeakEvent[] = [];
const lines: string[] = [];
const note = (level: string) => (message: string) => void lines.push(`${level} ${message}`);

@Controller()
class Orders {
  constructor(readonly cluster: PgCluster) {}

  @Get('slow')
  @UseMaster()
  async slow() {
    await using _lease = await this.cluster.getConnection();
    await until(() => told.length > 0, { deadlineMs: 5_000, what: 'the leak' });
  }
}

let app: INestApplication;

beforeAll(async () => {
  const { config } = await freshDatabase();
  const module = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({ config, leakDetection: { threshold: '100ms' } }),
      PrometheusModule.register({ defaultMetrics: { enabled: false } }),
      PgMcpMetricsModule,
    ],
    controllers: [Orders],
  }).compile();
  const logger: LoggerService = { log: note('log'), warn: note('warn'), error: note('error') };
  app = module.createNestApplication({ logger });
  await app.listen(0, '127.0.0.1');
  app.get(PgCluster).on('leak', (event) => told.push(event));
});

afterAll(async () => {
  await app.close();
  register.clear();
});

it('the method, the request, the log and the metric tell of a lease that is held for long', async () => {
  await fetch(`${await app.getUrl()}/slow`, { headers: { 'x-request-id': 'r-42' } });
  expect(told.map(({ state, method, requestId }) => [state, method, requestId])).toEqual([
    ['held', 'Orders.slow', 'r-42'],
    ['recovered', 'Orders.slow', 'r-42'],
  ]);
  expect(lines.filter((line) => line.includes('a lease'))).toEqual([
    expect.stringMatching(
      /^warn default: a lease on \S+ \(primary\) has been held for .*; in Orders\.slow; request r-42\n/,
    ),
    expect.stringMatching(
      /^log default: a lease on \S+ \(primary\) was given back, after .*; in Orders\.slow; request r-42\n/,
    ),
  ]);
  const metrics = parseExposition(await register.metrics());
  expect(metrics.value('db_connection_leaks_total', { cluster: 'default', kind: 'lease' })).toBe(1);
  expect(metrics.value('db_connection_leaks_total', { cluster: 'default', kind: 'transaction' })).toBe(0);
});
