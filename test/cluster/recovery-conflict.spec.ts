import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../support/until.js';

let servers: EmbeddedCluster;
let cluster: PgCluster;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 1 });
  const [replica] = servers.replicas;
  await replica?.query('ALTER SYSTEM SET max_standby_streaming_delay = 0');
  await replica?.query('SELECT pg_reload_conf()');
  cluster = PgCluster.fromConfig(servers.config);
  await cluster.connect();
});

afterAll(async () => {
  await cluster.close();
  await servers.stop();
});

const port = 'SELECT inet_server_port() AS port';

/** Drops, under a read of the replica, what that reads. */
async function dropUnder(table: string, reading: Promise<unknown>): Promise<unknown> {
  const isReading = async () =>
    cluster.getStatus().nodes.some(({ role, pool }) => role === 'replica' && pool.active > 0);
  await until(isReading, { deadlineMs: 5_000, what: 'the read on the replica' });
  await until(
    async () => {
      const { rows } = (await servers.replicas[0]?.query(
        `SELECT count(*)::int AS count FROM pg_locks WHERE relation = '${table}'::regclass`,
      )) ?? { rows: [] };
      return Number(rows[0]?.['count']) > 0;
    },
    { deadlineMs: 5_000, what: 'its lock' },
  );
  await servers.primary.query(`TRUNCATE ${table}`);
  return reading;
}

async function replicated(table: string): Promise<void> {
  await servers.primary.query(`CREATE TABLE ${table} AS SELECT 1 AS one`);
  await servers.primary.query(`GRANT SELECT ON ${table} TO PUBLIC`);
  const isThere = async () =>
    (await servers.replicas[0]?.query(`SELECT to_regclass('${table}') IS NOT NULL AS it`))?.rows[0]?.['it'];
  await until(isThere, { deadlineMs: 5_000, what: `${table} on the replica` });
}

it('a read that its standby cancels for its replay runs on the primary, held to reading', async () => {
  await replicated('conflicting');
  const reading = cluster.useReplica(() =>
    cluster.query(
      `SELECT inet_server_port() AS port, current_setting('transaction_read_only') AS read_only
         FROM (SELECT pg_sleep(CASE WHEN pg_is_in_recovery() THEN 20 ELSE 0 END)
                 FROM (SELECT count(*) FROM conflicting) AS counted) AS slept`,
    ),
  );
  expect(await dropUnder('conflicting', reading)).toMatchObject({
    rows: [{ port: servers.primary.port, read_only: 'on' }],
  });
  expect(cluster.getCounters().retries.get('recovery-conflict')).toBe(1);
});

it('a transaction of a replica scope tells of it, and runs again when told to', async () => {
  await replicated('transactional');
  let runs = 0;
  const reading = cluster.useReplica(() =>
    cluster.transaction({ readOnly: true, retry: 1 }, async () => {
      runs++;
      const { rows } = await cluster.query(port);
      if (runs === 1) await cluster.query('SELECT count(*), pg_sleep(20) FROM transactional');
      return rows[0].port;
    }),
  );
  expect(await dropUnder('transactional', reading)).toBe(servers.replicas[0]?.port);
  expect(runs).toBe(2);
});
