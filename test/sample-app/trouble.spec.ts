import type { INestApplication } from '@nestjs/common';
import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { untilReplicated } from '../../sample-app/until-replicated.js';
import { until } from '../support/until.js';
import { ask, configFile, startInProcess } from './running-app.js';

const TRY_AGAIN = 'the database is not available: nothing was done, try again';
const UNKNOWN = 'the connection to the database was lost: whether the request was carried out is unknown';

/** The tests build on each other: the last one kills the primary. */
describe('a cluster in trouble', () => {
  let servers: EmbeddedCluster;
  let replica: EmbeddedNode;
  let config: Awaited<ReturnType<typeof configFile>>;
  let admin: pg.Client;
  let app: INestApplication;
  let url: string;

  beforeAll(async () => {
    servers = await EmbeddedCluster.start({ replicas: 1 });
    [replica] = servers.replicas as [EmbeddedNode];
    const pool = { max_connections: 1, acquire_timeout: '300ms' };
    const health = { interval: '100ms' };
    config = await configFile({ ...servers.config, connection_pool: pool, health_check: health });
    ({ app, url } = await startInProcess(config.path));
    admin = new pg.Client(servers.config.masters[0]);
    admin.on('error', () => {});
    await admin.connect();
  });

  afterAll(async () => {
    await admin.end().catch(() => {});
    await app.close();
    await config[Symbol.asyncDispose]();
    await servers.stop();
  });

  const order = () => ask(url, '/orders', { userId: 1, items: [{ productId: 3, quantity: 1 }] });

  /** While an order waits for its product, on the only connection that the pool may open. */
  async function duringAnOrder(
    run: (pid: number) => Promise<void>,
  ): Promise<Awaited<ReturnType<typeof order>>> {
    await admin.query('BEGIN');
    await admin.query('SELECT FROM products WHERE id = 3 FOR UPDATE');
    const answer = order();
    const waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    const pid = await until(async () => (await admin.query<{ pid: number }>(waiting)).rows[0]?.pid, {
      deadlineMs: 5_000,
      what: 'the order to wait',
    });
    try {
      await run(pid);
    } finally {
      await admin.query('ROLLBACK');
    }
    return answer;
  }

  it('answers 503 when no connection comes free in time', async () => {
    const first = await duringAnOrder(async () => {
      expect(await order()).toMatchObject({ status: 503, body: { statusCode: 503, message: TRY_AGAIN } });
    });
    expect(first.status).toBe(201);
  });

  it('answers 503 and does not promise anything when the connection breaks under a statement', async () => {
    const answer = await duringAnOrder(async (pid) => {
      await admin.query('SELECT pg_terminate_backend($1)', [pid]);
    });
    expect(answer).toMatchObject({ status: 503, body: { message: UNKNOWN } });
    expect((await order()).status).toBe(201);
  });

  it('waits for a replica that has not replayed all yet, and not for ever', async () => {
    const cluster = app.get(PgCluster);
    await replica.pauseReplay();
    await order();
    await untilReplicated(cluster, 50);
    const healthCheck = vi.spyOn(cluster, 'healthCheck');
    let isDone = false;
    const waiting = untilReplicated(cluster).finally(() => (isDone = true));
    const hasLooked = () => healthCheck.mock.calls.length > 3;
    await until(hasLooked, { deadlineMs: 5_000, what: 'it to look at the replica again' });
    expect(isDone).toBe(false);
    await replica.resumeReplay();
    await waiting;
  });

  it('is ready and degraded without the replica', async () => {
    await replica.stop();
    const answer = await until(
      async () => {
        const health = await ask(url, '/health');
        return (health.body as { status: string }).status === 'degraded' && health;
      },
      { deadlineMs: 10_000, what: 'the replica to be missed' },
    );
    expect(answer.status).toBe(200);
    expect((await ask(url, '/users/1')).status).toBe(200);
    await replica.start();
    await until(async () => (await ask(url, '/health')).text.includes('"status":"ok"'), {
      deadlineMs: 10_000,
      what: 'the replica to be back',
    });
  });

  it('is not ready without the primary, but lives and reads', async () => {
    await servers.primary.kill();
    await until(async () => (await ask(url, '/health')).status === 503, {
      deadlineMs: 10_000,
      what: 'the primary to be missed',
    });
    expect(await ask(url, '/health/live')).toMatchObject({ status: 200 });
    expect(await ask(url, '/users/1')).toMatchObject({ status: 200 });
    expect(await order()).toMatchObject({ status: 503, body: { message: TRY_AGAIN } });
  });
});
