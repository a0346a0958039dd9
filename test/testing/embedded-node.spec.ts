import { once } from 'node:events';
import { createServer } from 'node:net';
import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withClient } from '../../lib/testing/superuser.js';
import { until } from '../support/until.js';
import { serversBelow } from './processes.js';

const waiting = (what: string) => ({ deadlineMs: 10_000, what });

async function count(node: EmbeddedNode): Promise<number> {
  const { rows } = await node.query<{ count: number }>('SELECT count(*)::int AS count FROM entry');
  return rows[0]?.count ?? -1;
}

async function untilCount(node: EmbeddedNode, expected: number): Promise<void> {
  await until(async () => (await count(node)) === expected, waiting(`${expected} rows on ${node.name}`));
}

async function streams(primary: EmbeddedNode, node: EmbeddedNode): Promise<boolean> {
  const { rowCount } = await primary.query(
    `SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'`,
    [node.name],
  );
  return rowCount === 1;
}

describe('a node', () => {
  let cluster: EmbeddedCluster;
  let primary: EmbeddedNode;
  let replica: EmbeddedNode;
  let written = 0;

  const write = async () => {
    await primary.query('INSERT INTO entry DEFAULT VALUES');
    written += 1;
  };

  beforeAll(async () => {
    cluster = await EmbeddedCluster.start({ replicas: 1 });
    primary = cluster.primary;
    [replica] = cluster.replicas as [EmbeddedNode];
    await primary.query('CREATE TABLE entry (id serial)');
  });
  afterAll(() => cluster.stop());

  test('that is killed has no process left, and keeps its role and port when it starts again', async () => {
    const client = new Client({ connectionString: primary.connectionString });
    // A connection that is reset and then ends tells of it twice.
    client.on('error', () => {});
    const cut = once(client, 'error');
    await client.connect();
    const { port } = primary;
    await write();
    await primary.kill();
    expect(serversBelow(primary.dataFolder)).toEqual([]);
    expect(primary.isRunning).toBe(false);
    await cut;
    await expect(primary.query('SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(cluster.primary).toBe(primary);
    expect(replica.isRunning).toBe(true);

    await primary.start();
    expect(primary.port).toBe(port);
    expect(await count(primary)).toBe(written);
    await until(() => streams(primary, replica), waiting('the replica to stream again'));
    await primary.kill();
    await primary.kill();
    await primary.start();
    await primary.start();
  });

  test('that is stopped lets its sessions go in order, and catches up when it starts again', async () => {
    await replica.stop();
    expect(serversBelow(replica.dataFolder)).toEqual([]);
    await replica.stop();
    await write();
    await replica.start();
    await untilCount(replica, written);
    expect(cluster.replicas).toEqual([replica]);
  });

  test('that is frozen answers nothing and keeps its connections; thawed, it answers late', async () => {
    await withClient(primary.connectionString, async (client) => {
      await client.query('SELECT 1');
      await primary.freeze();
      expect(serversBelow(primary.dataFolder).map((row) => row.state)).toEqual(
        expect.not.arrayContaining(['S', 'R']),
      );
      expect([primary.isRunning, primary.isFrozen]).toEqual([true, true]);
      let answered = false;
      const late = client.query('SELECT 2 AS two').finally(() => (answered = true));
      // The replica answers a dozen questions meanwhile: time enough for a server that isn't frozen.
      for (let question = 0; question < 12; question += 1) await replica.query('SELECT 1');
      expect(answered).toBe(false);
      await primary.thaw();
      expect((await late).rows).toEqual([{ two: 2 }]);
      expect(primary.isFrozen).toBe(false);
    });
  });

  test('that is frozen can be stopped and killed', async () => {
    await replica.freeze();
    await replica.stop();
    expect(serversBelow(replica.dataFolder)).toEqual([]);
    await expect(replica.freeze()).rejects.toThrow(`${replica.name} doesn't run`);
    await replica.start();
    await replica.freeze();
    await replica.kill();
    expect(serversBelow(replica.dataFolder)).toEqual([]);
    await replica.start();
    expect(replica.isFrozen).toBe(false);
  });

  test('that pauses its replay keeps the old rows until it resumes', async () => {
    await until(() => streams(primary, replica), waiting('the replica to stream'));
    await untilCount(replica, written);
    await replica.pauseReplay();
    await write();
    const { rows } = await primary.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
    const received = async () => {
      const { rowCount } = await replica.query(`SELECT WHERE pg_last_wal_receive_lsn() >= $1::pg_lsn`, [
        rows[0]?.lsn,
      ]);
      return rowCount === 1;
    };
    await until(received, waiting('the replica to have received the row'));
    expect(await count(replica)).toBe(written - 1);
    await replica.resumeReplay();
    await untilCount(replica, written);
  });

  test('can not start while another program has its port, and says so', async () => {
    await replica.kill();
    const intruder = createServer().listen(replica.port, replica.host);
    await once(intruder, 'listening');
    await expect(replica.start()).rejects.toMatchObject({
      code: 'EMBEDDED_CLUSTER',
      message: `${replica.name} can't start: another program listens on port ${replica.port}`,
    });
    expect(replica.isRunning).toBe(false);
    intruder.close();
    await once(intruder, 'close');
    await replica.start();
  });

  test('passes on what PostgreSQL says', async () => {
    await expect(primary.promote()).rejects.toMatchObject({ code: '55000' });
    await expect(primary.query('SELEC 1')).rejects.toMatchObject({ code: '42601' });
    expect((await primary.query('SELECT $1::int + 1 AS sum', [41])).rows).toEqual([{ sum: 42 }]);
  });
});

describe('roles', () => {
  let cluster: EmbeddedCluster;
  beforeAll(async () => {
    cluster = await EmbeddedCluster.start({ replicas: 2 });
  });
  afterAll(() => cluster.stop());

  test('follow a promotion, and the old primary and the other replica rejoin', async () => {
    const [first, second, third] = cluster.nodes as [EmbeddedNode, EmbeddedNode, EmbeddedNode];
    await expect(cluster.rejoin(first)).rejects.toThrow("node1 is the primary; it can't rejoin itself");
    await first.query('CREATE TABLE entry (id serial)');
    await first.kill();
    expect(cluster.primary).toBe(first);
    await expect(cluster.rejoin(third)).rejects.toThrow("the primary, node1, doesn't run");
    await expect(cluster.addReplica()).rejects.toThrow("the primary, node1, doesn't run");

    await second.promote();
    expect(cluster.primary).toBe(second);
    expect(cluster.replicas).toEqual([third]);
    expect(cluster.config.masters.map((entry) => entry.name)).toEqual(['node2']);
    expect(cluster.config.replicas.map((entry) => entry.name)).toEqual(['node1', 'node3']);
    await second.query('INSERT INTO entry DEFAULT VALUES');
    expect(await streams(second, third)).toBe(false);

    // Back with its old data it is a second primary, of the old timeline: nobody's replica.
    await first.start();
    await first.query('INSERT INTO entry SELECT FROM generate_series(1, 3)');
    expect(cluster.primary).toBe(second);
    expect(cluster.replicas).toEqual([third]);

    const { port } = first;
    await Promise.all([cluster.rejoin(first), cluster.rejoin(third)]);
    expect(first.port).toBe(port);
    expect(cluster.replicas).toEqual([first, third]);
    await untilCount(first, 1);
    await untilCount(third, 1);
    expect(await streams(second, first)).toBe(true);
    expect(await streams(second, third)).toBe(true);
  });

  test('follow a promotion that somebody else asked for', async () => {
    const [first] = cluster.nodes as [EmbeddedNode];
    expect(cluster.primary).not.toBe(first);
    await cluster.primary.kill();
    await first.query('SELECT pg_promote(true)');
    expect(cluster.primary).toBe(first);
    const added = await cluster.addReplica();
    await untilCount(added, 1);
  });

  test('of two nodes promoted from one point, the later one counts', async () => {
    await using cluster = await EmbeddedCluster.start({ replicas: 2 });
    const [one, other] = cluster.replicas as [EmbeddedNode, EmbeddedNode];
    await one.promote();
    expect(cluster.primary).toBe(one);
    await other.promote();
    expect(cluster.primary).toBe(other);
    expect(cluster.replicas).toEqual([]);
  });
});
