import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sure } from '../support/sure.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

let servers: EmbeddedCluster;
let proxy: TcpProxy;
let cluster: PgCluster;

/** A COMMIT that takes a while: its deferred trigger sleeps. */
const SCHEMA = `
  CREATE TABLE slow (id int PRIMARY KEY);
  GRANT ALL ON slow TO PUBLIC;
  CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
  CREATE CONSTRAINT TRIGGER takes_long AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION take_long();`;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 1 });
  const { primary } = servers;
  await primary.query(SCHEMA);
  proxy = await TcpProxy.start({ host: '127.0.0.1', port: primary.port });
  const { config } = servers;
  cluster = PgCluster.fromConfig(
    { ...config, masters: config.masters.map((master) => ({ ...master, port: proxy.port })) },
    {
      healthCheck: { interval: '200ms', timeout: '500ms' },
      connectionPool: { acquireTimeout: '6s' },
    },
  );
  await cluster.connect();
});

afterAll(async () => {
  await cluster.close();
  await proxy.stop();
  await servers.stop();
});

let id = 0;
beforeEach(() => {
  id++;
});

const COMMITTING = `SELECT pid FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'`;

/** An insert whose COMMIT is under way on the server. */
async function committing(
  insert = () => cluster.query('INSERT INTO slow VALUES ($1)', [id]),
): Promise<{ running: Promise<string>; pid: number }> {
  const running = cluster.transaction(async () => {
    await insert();
    return 'done';
  });
  running.catch(() => {});
  let pid: number | undefined;
  await until(
    async () => {
      pid = (await servers.primary.query<{ pid: number }>(COMMITTING)).rows[0]?.pid;
      return pid !== undefined;
    },
    { deadlineMs: 5_000, what: 'COMMIT' },
  );
  return { running, pid: sure(pid) };
}

const isStored = async () =>
  (await servers.primary.query('SELECT FROM slow WHERE id = $1', [id])).rowCount === 1;

describe('a transaction whose connection breaks under COMMIT', () => {
  it.each([
    ['with values', () => cluster.query('INSERT INTO slow VALUES ($1)', [id])],
    ['without', () => cluster.query(`INSERT INTO slow VALUES (${id})`)],
    [
      'in a savepoint, behind a read',
      async () => {
        await cluster.query('SELECT FROM slow WHERE id = $1', [id]);
        return cluster.transaction(() => cluster.query('INSERT INTO slow VALUES ($1)', [id]));
      },
    ],
  ])('is done where the server has committed it all the same: an INSERT %s', async (_, insert) => {
    const { running } = await committing(insert);
    proxy.cut();
    expect(await running).toBe('done');
    expect(await isStored()).toBe(true);
  });

  it('has failed, and may run again, where the server has rolled it back', async () => {
    const { running, pid } = await committing();
    await servers.primary.query('SELECT pg_terminate_backend($1)', [pid]);
    await expect(running).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      outcome: 'aborted',
      safeToRetry: true,
      message: expect.stringMatching(/was rolled back/),
    });
    expect(await isStored()).toBe(false);
  });

  it('has failed too where the server crashed with it and is back', async () => {
    const { running } = await committing();
    await servers.primary.kill();
    await servers.primary.start();
    await expect(running).rejects.toMatchObject({ outcome: 'aborted' });
    expect(await isStored()).toBe(false);
  });

  it('is not known where nobody can tell in time', async () => {
    const { running } = await committing();
    proxy.blackHole();
    await expect(running).rejects.toMatchObject({ outcome: 'unknown', safeToRetry: false });
    proxy.heal();
    await until(() => cluster.getStatus().primary !== undefined, { deadlineMs: 5_000, what: 'the primary' });
  });
});

describe('a commit that did not wait for its synchronous standby', () => {
  const waiting = `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;

  it.each([
    ['of a transaction', () => cluster.transaction(() => cluster.query('INSERT INTO plain VALUES (1)'))],
    ['of a statement', () => cluster.query('INSERT INTO plain VALUES ($1)', [1])],
  ])('%s is not taken for one that lasts', async (_, write) => {
    const { primary } = servers;
    await primary.query('CREATE TABLE IF NOT EXISTS plain (id int)');
    await primary.query('GRANT ALL ON plain TO PUBLIC');
    await primary.query(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`);
    await primary.query('SELECT pg_reload_conf()');
    try {
      let running: Promise<unknown> | undefined;
      let pid: number | undefined;
      await until(
        async () => {
          // Not before the checkpointer has read the setting does anybody wait.
          running ??= write().then(() => (running = undefined));
          running?.catch(() => {});
          pid = (await primary.query<{ pid: number }>(waiting)).rows[0]?.pid;
          return pid !== undefined;
        },
        { deadlineMs: 5_000, what: 'the wait for a standby' },
      );
      await primary.query('SELECT pg_cancel_backend($1)', [pid]);
      await expect(running).rejects.toMatchObject({
        code: 'NOT_REPLICATED',
        outcome: 'unknown',
        safeToRetry: false,
      });
    } finally {
      await primary.query('ALTER SYSTEM RESET synchronous_standby_names');
      await primary.query('SELECT pg_reload_conf()');
    }
    expect((await cluster.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});

it('a transaction is not known where another node has been promoted since: its id may be another’s by now', async () => {
  const { running } = await committing();
  await servers.primary.kill();
  await sure(servers.replicas[0]).promote();
  const began = performance.now();
  await expect(running).rejects.toMatchObject({ outcome: 'unknown', safeToRetry: false });
  expect(performance.now() - began).toBeLessThan(5_000);
});
