import { existsSync, statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newRoles } from '../../lib/testing/database-roles.js';
import { createReplicatedDatabase } from '../../lib/testing/replicated-database.js';
import { inDatabase, queryOnce } from '../../lib/testing/superuser.js';
import { until } from '../support/until.js';
import { temporaryFolder } from './folders.js';
import { serversBelow } from './processes.js';

const waiting = (what: string) => ({ deadlineMs: 5_000, what });

interface Login {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

async function as(login: Login, sql: string) {
  const client = new Client({ ...login });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('a cluster with two replicas', () => {
  let cluster: EmbeddedCluster;
  let master: Login;
  let replica: Login;
  let monitor: Login;

  beforeAll(async () => {
    cluster = await EmbeddedCluster.start({
      // A primary that waits for standbys must still be able to get its first one.
      settings: { work_mem: '5MB', synchronous_standby_names: 'ANY 1 (*)' },
    });
    const { masters, replicas, monitor: account } = cluster.config;
    [master, replica] = [masters[0], replicas[0]] as [Login, Login];
    monitor = { ...replica, ...account, database: 'postgres' };
  });
  afterAll(() => cluster.stop());

  test('streams to each replica under its name', async () => {
    expect(cluster.nodes.map((node) => node.name)).toEqual(['node1', 'node2', 'node3']);
    expect(cluster.primary).toBe(cluster.nodes[0]);
    expect(cluster.replicas).toEqual(cluster.nodes.slice(1));
    const { rows } = await cluster.primary.query(
      `SELECT application_name, state FROM pg_stat_replication ORDER BY 1`,
    );
    expect(rows).toEqual([
      { application_name: 'node2', state: 'streaming' },
      { application_name: 'node3', state: 'streaming' },
    ]);
    expect((await cluster.replicas[1]?.query('SELECT pg_is_in_recovery() AS standby'))?.rows).toEqual([
      { standby: true },
    ]);
  });

  test('has a config in the shape of the file, with the account of each role', async () => {
    const { config, primary, replicas } = cluster;
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
    expect(config.masters.map(({ name, port }) => [name, port])).toEqual([[primary.name, primary.port]]);
    expect(config.replicas.map(({ name, port }) => [name, port])).toEqual(
      replicas.map((node) => [node.name, node.port]),
    );
    expect(config.masters[0]).toMatchObject({ host: '127.0.0.1', user: 'app_user', database: 'app' });
    expect(config.replicas[0]).toMatchObject({ host: '127.0.0.1', user: 'app_ro_user', database: 'app' });
    expect(Object.keys(config)).toEqual(['masters', 'replicas', 'monitor']);
  });

  test('lets nobody in without the password, nor root own the data', async () => {
    await expect(as({ ...master, password: 'wrong' }, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    const { uid, mode } = statSync(cluster.primary.dataFolder);
    expect(uid).not.toBe(0);
    expect(mode & 0o777).toBe(0o700);
  });

  test('lets the master account create what the replica account can read on a replica, but not write', async () => {
    await as(master, 'CREATE TABLE shelf (book text); INSERT INTO shelf VALUES ($$Momo$$)');
    const arrived = () => as(replica, `SELECT book FROM shelf`).catch(() => undefined);
    expect(await until(arrived, waiting('the table on the replica'))).toEqual([{ book: 'Momo' }]);
    const onPrimary = { ...master, user: replica.user, password: replica.password };
    await expect(as(onPrimary, 'DELETE FROM shelf')).rejects.toMatchObject({ code: '42501' });
    await expect(as(onPrimary, 'CREATE TABLE mine ()')).rejects.toMatchObject({ code: '42501' });
  });

  test('gives the monitor account what a failover by SQL takes', async () => {
    const rows = await as(
      monitor,
      `SELECT has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE') AS promote,
              has_function_privilege('pg_reload_conf()', 'EXECUTE') AS reload,
              has_parameter_privilege('primary_conninfo', 'ALTER SYSTEM') AS repoint,
              has_parameter_privilege('primary_slot_name', 'ALTER SYSTEM') AS slot,
              has_parameter_privilege('default_transaction_read_only', 'ALTER SYSTEM') AS fence,
              pg_has_role('pg_monitor', 'USAGE') AS monitor,
              pg_has_role('pg_signal_backend', 'USAGE') AS signal,
              current_setting('is_superuser') AS superuser,
              (SELECT status FROM pg_stat_wal_receiver) AS receiver`,
    );
    expect(rows).toEqual([
      {
        promote: true,
        reload: true,
        repoint: true,
        slot: true,
        fence: true,
        monitor: true,
        signal: true,
        superuser: 'off',
        receiver: 'streaming',
      },
    ]);
    // The rights on functions are each database's own.
    const inApp = await as(
      { ...monitor, database: 'app' },
      `SELECT has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE') AS promote`,
    );
    expect(inApp).toEqual([{ promote: true }]);
  });

  test('takes more settings for every server', async () => {
    for (const node of cluster.nodes) {
      expect((await node.query('SHOW work_mem')).rows).toEqual([{ work_mem: '5MB' }]);
    }
  });

  test('creates databases of the master account, and every streaming replica has them at once', async () => {
    const [one, other] = await Promise.all([
      cluster.createDatabase(),
      cluster.createDatabase('with "quotes"'),
    ]);
    expect(one.name).not.toBe(other.name);
    expect(other.name).toBe('with "quotes"');
    for (const node of cluster.nodes) {
      const url = inDatabase(node.connectionString, other.name);
      expect((await queryOnce(url, 'SELECT current_database() AS name')).rows).toEqual([
        { name: other.name },
      ]);
    }
    const [entry] = one.config.masters;
    expect(entry?.database).toBe(one.name);
    await as(entry as Login, 'CREATE TABLE owned ()');
  });

  test('waits for a replica that is late to have the database', async () => {
    const [late] = cluster.replicas as [EmbeddedNode];
    await late.freeze();
    const options = { name: 'late', owner: 'app_user', primary: cluster.primary.connectionString };
    let ready = false;
    const created = createReplicatedDatabase({ ...options, replicas: [late.connectionString] }).finally(
      () => (ready = true),
    );
    const onPrimary = `SELECT FROM pg_database WHERE datname = 'late'`;
    await until(
      async () => (await cluster.primary.query(onPrimary)).rowCount === 1,
      waiting('the database on the primary'),
    );
    expect(ready).toBe(false);
    await late.thaw();
    await created;
    expect((await late.query(onPrimary)).rowCount).toBe(1);
  });

  test('creates a database without waiting for replicas that are frozen or paused', async () => {
    const [frozen, paused] = cluster.replicas;
    await frozen?.freeze();
    await paused?.pauseReplay();
    await cluster.createDatabase();
    await paused?.resumeReplay();
    await frozen?.thaw();
  });

  test('adds a replica that has the data', async () => {
    const added = await cluster.addReplica();
    expect(added.name).toBe('node4');
    expect(cluster.replicas).toContain(added);
    expect(cluster.config.replicas.map((entry) => entry.port)).toContain(added.port);
    expect((await added.query('SELECT datname FROM pg_database WHERE datname = $1', ['app'])).rowCount).toBe(
      1,
    );
  });
});

test('stop leaves no process and no folder, whatever state the nodes are in', async () => {
  const cluster = await EmbeddedCluster.start({ replicas: 1 });
  const node = cluster.primary;
  const folder = dirname(dirname(node.dataFolder));
  await cluster.replicas[0]?.kill();
  await node.freeze();
  const processes = serversBelow(folder);
  expect(processes.length).toBeGreaterThan(5);
  await cluster.stop();
  await cluster.stop();
  expect(serversBelow(folder)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
  await expect(cluster.addReplica()).rejects.toThrow('has been stopped');
  await expect(node.start()).rejects.toThrow('node1 has no data: its cluster has been stopped');
});

test('stop waits for a replica that is being added, and ends it too', async () => {
  const cluster = await EmbeddedCluster.start({ replicas: 0 });
  const folder = dirname(dirname(cluster.primary.dataFolder));
  const adding = cluster.addReplica();
  await cluster.stop();
  await expect(adding).resolves.toMatchObject({ isRunning: false });
  expect(serversBelow(folder)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
});

test('two clusters start at once, each in the folder it was given, and are their own', async () => {
  const parent = await temporaryFolder();
  const dataDir = join(parent, 'data');
  const clusters = await Promise.all([0, 0].map((replicas) => EmbeddedCluster.start({ replicas, dataDir })));
  expect(await readdir(dataDir)).toHaveLength(2);
  const systems = clusters.map(async ({ primary }) => {
    const { rows } = await primary.query('SELECT system_identifier AS id FROM pg_control_system()');
    return rows[0]?.['id'];
  });
  expect(new Set(await Promise.all(systems)).size).toBe(2);
  await Promise.all(clusters.map((cluster) => cluster.stop()));
  expect(await readdir(dataDir)).toEqual([]);
  await rm(parent, { recursive: true });
});

describe('what can not start', () => {
  test('a setting that PostgreSQL refuses: the error ends with its log, and nothing is left', async () => {
    const dataDir = await temporaryFolder();
    const start = EmbeddedCluster.start({ dataDir, settings: { shared_buffers: 'much' } });
    await expect(start).rejects.toMatchObject({
      code: 'EMBEDDED_CLUSTER',
      message: expect.stringContaining('invalid value for parameter "shared_buffers": "much"'),
    });
    expect(await readdir(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true });
  });

  test('a folder that the servers’ account can not enter: the error says so', async (context) => {
    if (process.geteuid?.() !== 0) context.skip('only root runs the servers as another account');
    const dataDir = await temporaryFolder(0o700);
    await expect(EmbeddedCluster.start({ dataDir })).rejects.toThrow(
      /as the account "\w+", which must be able to enter that folder.*Permission denied/s,
    );
    expect(await readdir(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true });
  });

  test.each([-1, 1.5, Number.NaN])('%s replicas', async (replicas) => {
    await expect(EmbeddedCluster.start({ replicas })).rejects.toThrow(`replicas: ${replicas} is no number`);
  });
});

test('the passwords of two clusters differ', () => {
  expect(newRoles().app.password).not.toBe(newRoles().app.password);
});
