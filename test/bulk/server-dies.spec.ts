import { once } from 'node:events';
import { Readable } from 'node:stream';
import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { manyPeople } from './database.js';

let servers: EmbeddedCluster;
let cluster: PgCluster;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 1 });
});

afterAll(() => servers.stop());

beforeEach(async () => {
  cluster = PgCluster.fromConfig(servers.config, {
    healthCheck: { interval: '200ms', timeout: '400ms' },
    connectionPool: { acquireTimeout: '10s' },
  });
  await cluster.connect();
  await cluster.query('CREATE TABLE IF NOT EXISTS people (id int, name text, age int)');
});

afterEach(async () => {
  await allBack();
  await cluster.close();
  for (const node of servers.nodes) if (!node.isRunning) await node.start();
});

const allBack = () =>
  until(() => cluster.getStatus().activeConnections === 0, {
    deadlineMs: 10_000,
    what: 'every connection to come back',
  });
const count = async () => {
  const { rows } = await cluster.useMaster(() =>
    cluster.query<{ n: number }>('SELECT count(*)::int AS n FROM people'),
  );
  return rows[0]?.n;
};

it('under a COPY into it: the call fails, the source is left, nothing is stored', async () => {
  const { made, people } = manyPeople();
  let killing: Promise<void> | undefined;
  const onProgress = () => {
    killing ??= servers.primary.kill();
  };
  const failing = cluster.copyFrom('people', { onProgress }, people);
  await expect(failing).rejects.toMatchObject({ code: 'CONNECTION_LOST', outcome: 'unknown' });
  expect(made.isLeft).toBe(true);
  await killing;
  await servers.primary.start();
  await until(async () => (await count().catch(() => undefined)) === 0, {
    deadlineMs: 10_000,
    what: 'the primary to be back, with nothing in the table',
  });
});

it('under a COPY whose source is silent', async () => {
  const silent = new Readable({ objectMode: true, read: () => {} });
  silent.push([1, 'Ada', 36]);
  const failing = cluster.copyFrom('people', {}, silent);
  failing.catch(() => {});
  await until(() => cluster.getStatus().activeConnections > 0, {
    deadlineMs: 5_000,
    what: 'the COPY to begin',
  });
  await servers.primary.kill();
  await expect(failing).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  expect(silent.destroyed).toBe(true);
});

it('under a COPY out of it, and under rows that are read', async () => {
  await until(
    () => cluster.getStatus().nodes.some(({ role, takesReads }) => role === 'replica' && takesReads),
    { deadlineMs: 10_000, what: 'the replica to take reads' },
  );
  const [replica] = servers.replicas;
  const anyReplica = { consistency: 'eventual' } as const;
  const stream = cluster.useReplica(anyReplica, () =>
    cluster.copyTo('SELECT n FROM generate_series(1, 10000000) n'),
  );
  const rows = cluster.useReplica(anyReplica, () =>
    cluster.stream('SELECT n FROM generate_series(1, 1000000) n'),
  );
  await once(stream, 'readable');
  await rows.next();
  await sure(replica).kill();
  const reading = async () => {
    let bytes = 0;
    for await (const piece of stream) bytes += (piece as Buffer).length;
    return bytes;
  };
  await expect(reading()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  const all = async () => {
    for await (const row of rows) expect(row).toBeDefined();
  };
  await expect(all()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
});

it('before anything was read: the next node serves', async () => {
  const stream = cluster.copyTo('SELECT 1');
  const rows = cluster.stream('SELECT 1 AS one');
  await sure(servers.replicas[0]).kill();
  expect(await stream.toArray()).toEqual([Buffer.from('1\n')]);
  expect(await rows.next()).toEqual({ done: false, value: { one: 1 } });
  await rows.return();
});
