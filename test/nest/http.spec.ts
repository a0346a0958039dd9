import { get, type ClientRequest } from 'node:http';
import {
  Controller,
  Get,
  Injectable,
  Sse,
  UseGuards,
  type CanActivate,
  type INestApplication,
  type MessageEvent,
} from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { PgCluster, PgMcpModule, UseMaster, UseReplica } from 'nestjs-pg-mcp';
import { PgMcpHealthIndicator, PgMcpHealthModule } from 'nestjs-pg-mcp/health';
import { PgMcpMetricsModule } from 'nestjs-pg-mcp/metrics';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { concatMap, from, interval, type Observable } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseExposition } from '../support/exposition.js';
import { until } from '../support/until.js';

@Injectable()
class Witness implements CanActivate {
  constructor(readonly cluster: PgCluster) {}

  canActivate(): boolean {
    return this.cluster.isInRequest;
  }
}

@Controller()
@UseGuards(Witness)
class Requests {
  constructor(readonly cluster: PgCluster) {}

  @Get('scope')
  scope() {
    return { isInRequest: this.cluster.isInRequest };
  }

  @Get('read')
  @UseReplica()
  async read() {
    return (await this.cluster.query('SELECT inet_server_port() AS port')).rows[0];
  }

  @Get('forgotten-lease')
  async forgottenLease() {
    const lease = await this.cluster.getMasterConnection();
    return { node: lease.node };
  }

  @Get('stuck')
  @UseMaster({ transaction: true })
  async stuck() {
    await this.cluster.query('SELECT 1');
    await new Promise<never>(() => {});
  }

  @Get('throwing')
  @UseMaster({ session: true })
  async throwing() {
    await this.cluster.query('SELECT 1');
    throw new RangeError('on purpose');
  }

  @Sse('events')
  @UseReplica({ session: true })
  events(): Observable<MessageEvent> {
    const port = () => this.cluster.query('SELECT inet_server_port() AS port');
    return interval(5).pipe(concatMap(() => from(port().then(({ rows }) => ({ data: rows[0] })))));
  }
}

@Controller()
class Health {
  constructor(
    readonly health: HealthCheckService,
    readonly postgres: PgMcpHealthIndicator,
  ) {}

  @Get('health')
  @HealthCheck()
  check() {
    return this.health.check([() => this.postgres.isHealthy('postgres')]);
  }
}

let servers: EmbeddedCluster;
let app: INestApplication;
let cluster: PgCluster;
let url: string;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 2 });
  const module = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({
        config: servers.config,
        healthCheck: { interval: '200ms', timeout: '400ms' },
        connectionPool: { maxConnections: 7, acquireTimeout: '2s' },
      }),
      TerminusModule,
      PgMcpHealthModule,
      PrometheusModule.register({ defaultMetrics: { enabled: false } }),
      PgMcpMetricsModule,
    ],
    controllers: [Requests, Health],
    providers: [Witness],
  }).compile();
  app = module.createNestApplication({ logger: false });
  app.setGlobalPrefix('api', { exclude: ['health', 'metrics'] });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  cluster = app.get(PgCluster);
});

afterAll(async () => {
  await app.close();
  await servers.stop();
});

const fetchJson = async (path: string) => {
  const response = await fetch(`${url}${path}`, { headers: { connection: 'close' } });
  // The shape of an answer is what the tests are about.
  // oxlint-disable-next-line typescript/no-explicit-any
  const body: any = await response.json();
  return { status: response.status, body };
};
const metrics = async () => parseExposition(await (await fetch(`${url}/metrics`)).text());
const active = () => cluster.getStatus().activeConnections;
const allBack = () => expect.poll(active).toBe(0);

async function openAndWaitFor(path: string, held: () => boolean): Promise<ClientRequest> {
  const request = get(`${url}${path}`);
  request.on('error', () => {});
  request.on('response', (response) => response.on('error', () => {}).resume());
  await until(held, { deadlineMs: 5_000, what: `${path} holding a connection` });
  return request;
}

describe('a request', () => {
  it('has its scope, guards included', async () => {
    expect(await fetchJson('/api/scope')).toEqual({ status: 200, body: { isInRequest: true } });
    expect(cluster.isInRequest).toBe(false);
  });

  it('gives its connection back when its handler throws', async () => {
    expect((await fetchJson('/api/throwing')).status).toBe(500);
    await allBack();
  });

  it('gives a forgotten lease back with the answer', async () => {
    expect((await fetchJson('/api/forgotten-lease')).body).toEqual({ node: servers.primary.name });
    await allBack();
  });

  it.each(['/api/stuck', '/api/events'])(
    'gives its connection back when the client hangs up: %s',
    async (path) => {
      const request = await openAndWaitFor(path, () => active() === 1);
      request.destroy();
      await allBack();
    },
  );

  it('gives all of them back when many clients hang up, and goes on serving', async () => {
    const requests = Array.from({ length: 20 }, () => get(`${url}/api/stuck`).on('error', () => {}));
    await until(() => active() === 7 && cluster.getStatus().pendingAcquires === 13, {
      deadlineMs: 5_000,
      what: 'the pool full and the rest waiting',
    });
    for (const request of requests) request.destroy();
    await allBack();
    expect(cluster.getStatus().pendingAcquires).toBe(0);
    expect((await fetchJson('/api/read')).status).toBe(200);
  });
});

describe('/health', () => {
  it('is 200 and up with every node up', async () => {
    const { status, body } = await fetchJson('/health');
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'ok', info: { postgres: { status: 'up', problems: [] } } });
    expect(Object.values(body.info.postgres.nodes)).toHaveLength(3);
  });

  it('is 200 and degraded with a replica down', async () => {
    const [victim] = servers.replicas;
    await victim?.kill();
    const { status, body } = await fetchJson('/health');
    expect(status).toBe(200);
    expect(body.status).toBe('degraded');
    expect(body.info.postgres).toMatchObject({
      status: 'degraded',
      problems: [expect.stringMatching(/ is (suspect|down): /)],
    });
    await victim?.start();
    await until(async () => (await fetchJson('/health')).body.status === 'ok', {
      deadlineMs: 10_000,
      what: 'healthy again',
    });
  });

  it('is 503 with the primary down, and 200 when it is back', async () => {
    await servers.primary.kill();
    await until(async () => (await fetchJson('/health')).status === 503, { deadlineMs: 5_000, what: '503' });
    const { body } = await fetchJson('/health');
    expect(body.error.postgres).toMatchObject({
      status: 'down',
      problems: expect.arrayContaining(['there is no primary']),
    });
    expect(JSON.stringify(body)).not.toContain(servers.config.masters[0]?.password);
    expect((await metrics()).value('db_node_up', { node: servers.primary.name })).toBe(0);
    await servers.primary.start();
    await until(async () => (await fetchJson('/health')).body.status === 'ok', {
      deadlineMs: 10_000,
      what: 'healthy again',
    });
  });
});

describe('/metrics', () => {
  it('has the original names, with true values', async () => {
    const lease = await cluster.getMasterConnection();
    const node = servers.primary.name;
    expect((await metrics()).value('db_pool_size', { node, role: 'primary', cluster: 'default' })).toBe(7);
    expect((await metrics()).value('db_active_connections', { node })).toBe(1);
    await lease.release();
    expect((await metrics()).value('db_active_connections', { node })).toBe(0);
    const lags = (await metrics()).all('db_replica_lag_bytes');
    const hosts = servers.replicas.map(({ host, port }) => `${host}:${port}`);
    expect(lags.map(({ labels }) => labels['replica_host']).toSorted()).toEqual(hosts.toSorted());
  });

  it('tells the lag that the primary tells of a paused replica', async () => {
    const [paused] = servers.replicas;
    if (!paused) throw new Error('no replica');
    await paused.pauseReplay();
    await servers.primary.query(
      'CREATE TABLE grown AS SELECT repeat(md5(i::text), 32) FROM generate_series(1, 3000) AS i',
    );
    const { rows } = await servers.primary.query(
      `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int AS lag FROM pg_stat_replication WHERE application_name = '${paused.name}'`,
    );
    const truth = Number(rows[0]?.['lag']);
    expect(truth).toBeGreaterThan(3_000_000);
    const told = async () => (await metrics()).value('db_replica_lag_bytes', { node: paused.name }) ?? 0;
    await until(async () => Math.abs((await told()) - truth) < 10_000, {
      deadlineMs: 5_000,
      what: `a lag of ${truth} bytes`,
    });
    await until(
      async () => ((await metrics()).value('db_replica_lag_seconds', { node: paused.name }) ?? 0) > 0.4,
      {
        deadlineMs: 5_000,
        what: 'a lag in seconds',
      },
    );
    await paused.resumeReplay();
    await until(async () => (await told()) === 0, { deadlineMs: 5_000, what: 'no lag' });
    expect((await metrics()).value('db_replica_lag_seconds', { node: paused.name })).toBe(0);
  });

  it('counts decisions, connections and durations', async () => {
    const before = await metrics();
    for (let i = 0; i < 10; i++) await fetchJson('/api/read');
    const after = await metrics();
    const grown = (name: string, labels: Record<string, string>) =>
      (after.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0);
    expect(grown('db_routing_decisions_total', { target: 'replica', reason: 'use-replica' })).toBe(10);
    const counts = (when: typeof after) =>
      when
        .all('db_query_duration_seconds_count')
        .filter(({ labels }) => labels['role'] === 'replica')
        .reduce((sum, { value }) => sum + value, 0);
    expect(counts(after) - counts(before)).toBe(10);
    expect(after.value('db_connections_opened_total', { node: servers.primary.name })).toBeGreaterThan(0);
  });
});
