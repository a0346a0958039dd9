import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test, type TestingModule } from '@nestjs/testing';
import { PgMcpModule } from 'nestjs-pg-mcp';
import { PgMcpHealthIndicator, PgMcpHealthModule } from 'nestjs-pg-mcp/health';
import type { EmbeddedClusterConfig } from 'nestjs-pg-mcp/testing';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../lib/testing/free-port.js';
import { freshDatabase } from '../support/cluster.js';

let app: TestingModule | undefined;
afterEach(() => app?.close());

async function healthWith(config: EmbeddedClusterConfig) {
  app = await Test.createTestingModule({
    imports: [PgMcpModule.forRoot({ config }), TerminusModule, PgMcpHealthModule],
  }).compile();
  await app.init();
  const indicator = app.get(PgMcpHealthIndicator);
  return app.get(HealthCheckService).check([() => indicator.isHealthy('postgres')]);
}

it('is up with every node up', async () => {
  const { config } = await freshDatabase();
  expect(await healthWith(config)).toMatchObject({
    status: 'ok',
    details: { postgres: { status: 'up', problems: [] } },
  });
});

it('is degraded with a replica down; Terminus 11, which knows no such state, says up', async () => {
  const { config } = await freshDatabase();
  const [replica] = config.replicas;
  if (!replica) throw new Error('the cluster of the run has no replica');
  const dead = { ...replica, name: 'dead', port: await freePort() };
  const isTerminus11 = process.env['NEST'] === '11';
  expect(await healthWith({ ...config, replicas: [...config.replicas, dead] })).toMatchObject({
    status: isTerminus11 ? 'ok' : 'degraded',
    details: {
      postgres: {
        status: isTerminus11 ? 'up' : 'degraded',
        problems: [expect.stringMatching(/^dead .*is (suspect|down): /)],
      },
    },
  });
});
