import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PgCluster, type FailoverEvent } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../support/until.js';

let servers: EmbeddedCluster;
let cluster: PgCluster;
const events: FailoverEvent[] = [];

const options = {
  healthCheck: { interval: '250ms', timeout: '1s' },
  connectionPool: { maxConnections: 20 },
};

beforeEach(async () => {
  events.length = 0;
  servers = await EmbeddedCluster.start({ replicas: 2 });
  cluster = PgCluster.fromConfig(servers.config, options);
  cluster.on('failover', (event) => events.push(event));
  await cluster.connect();
  await cluster.query('CREATE TABLE written (id int PRIMARY KEY)');
});

afterEach(async () => {
  await cluster.close();
  await servers.stop();
});

/** Writers and readers that go on until `stop`, which tells what they met. */
function load(writers: number, readers: number, of = cluster) {
  const failures: unknown[] = [];
  const acknowledged: number[] = [];
  const state = { next: 0, isOver: false, longestWriteMs: 0, reads: 0 };
  const write = async () => {
    while (!state.isOver) {
      const id = ++state.next;
      const began = performance.now();
      try {
        await of.query('INSERT INTO written VALUES ($1)', [id]);
        acknowledged.push(id);
      } catch (error) {
        failures.push(error);
      }
      state.longestWriteMs = Math.max(state.longestWriteMs, performance.now() - began);
    }
  };
  const read = async () => {
    while (!state.isOver) {
      try {
        await of.useReplica(() => of.query('SELECT count(*) FROM written'));
        state.reads++;
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const all = Promise.all([
    ...Array.from({ length: writers }, write),
    ...Array.from({ length: readers }, read),
  ]);
  return {
    acknowledged,
    state,
    async stop() {
      state.isOver = true;
      await all;
      return failures;
    },
  };
}

async function missing(ids: readonly number[]): Promise<number> {
  const { rows } = await servers.primary.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM unnest($1::int[]) AS id WHERE id NOT IN (SELECT id FROM written)',
    [ids],
  );
  return rows[0]?.n ?? -1;
}

it('moves the primary under load, and no call fails', { timeout: 60_000 }, async () => {
  const [old, target] = [servers.primary, servers.replicas[1]];
  const work = load(16, 64);
  await until(() => work.acknowledged.length > 200, { deadlineMs: 10_000, what: 'the load to run' });
  await cluster.switchover(target?.name);
  const after = work.acknowledged.length;
  await until(() => work.acknowledged.length > after + 200, {
    deadlineMs: 10_000,
    what: 'writes afterwards',
  });
  expect(await work.stop()).toEqual([]);
  expect(cluster.getStatus().primary).toBe(target?.name);
  expect(servers.primary.name).toBe(target?.name);
  expect(await missing(work.acknowledged)).toBe(0);
  const steps = events.map(({ step }) => step);
  // When that is seen is a matter of the probes.
  expect(steps).toContain('node-quarantined');
  expect(steps.filter((step) => step !== 'node-quarantined')).toEqual([
    'switchover-began',
    'writes-held',
    'transactions-finished',
    'primary-demoted',
    'others-repointed',
    'target-caught-up',
    'promoted',
    'primary-found',
    'switchover-ended',
  ]);
  expect([...cluster.getCounters().failovers]).toEqual([['switched', 1]]);
  // The other replica follows the new primary, the old one is kept out.
  await until(() => cluster.getStatus().nodes.filter(({ takesReads }) => takesReads).length === 1, {
    deadlineMs: 10_000,
    what: 'the other replica to take reads',
  });
  expect(cluster.getStatus().nodes.find(({ name }) => name === old.name)?.health).toBe('refused');
  await servers.rejoin(old);
  await until(() => cluster.getStatus().nodes.find(({ name }) => name === old.name)?.takesReads === true, {
    deadlineMs: 15_000,
    what: 'the old primary to be a replica',
  });
});

it('lets transactions finish, and gives up when one does not', { timeout: 60_000 }, async () => {
  const { primary } = servers;
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const held = cluster.transaction(async () => {
    await cluster.query('INSERT INTO written VALUES (1)');
    await ended;
    await cluster.query('INSERT INTO written VALUES (2)');
  });
  await until(async () => cluster.getStatus().activeConnections > 0, {
    deadlineMs: 5_000,
    what: 'a transaction',
  });
  const waiting = cluster.switchover();
  await until(() => events.some(({ step }) => step === 'writes-held'), {
    deadlineMs: 5_000,
    what: 'the hold',
  });
  const write = cluster.query('INSERT INTO written VALUES (3)');
  await expect(waiting).rejects.toMatchObject({
    code: 'SWITCHOVER_FAILED',
    message: `no switchover: 1 calls on ${primary.name} did not end in time`,
  });
  await write;
  end();
  await held;
  expect(cluster.getStatus().primary).toBe(primary.name);
  await cluster.switchover();
  expect(cluster.getStatus().primary).not.toBe(primary.name);
  expect(await missing([1, 2, 3])).toBe(0);
});

it('takes all back where the target falls out on the way', { timeout: 60_000 }, async () => {
  const { primary, replicas } = servers;
  const [target] = replicas;
  let isFrozen = false;
  const blocking = cluster.transaction(async () => {
    await cluster.query('INSERT INTO written VALUES (0)');
    await until(() => isFrozen, { deadlineMs: 20_000, what: 'the target to be frozen' });
  });
  cluster.on('failover', ({ step }) => {
    if (step === 'writes-held') void target?.freeze().then(() => (isFrozen = true));
  });
  await until(() => cluster.getStatus().activeConnections > 0, { deadlineMs: 5_000, what: 'a transaction' });
  await expect(cluster.switchover(target?.name)).rejects.toMatchObject({ code: 'SWITCHOVER_FAILED' });
  await blocking;
  // Before anything was done to the primary.
  expect(events.map(({ step }) => step)).not.toContain('primary-demoted');
  await cluster.query('INSERT INTO written VALUES (1)');
  expect(cluster.getStatus().primary).toBe(primary.name);
  await target?.thaw();
  await until(() => cluster.getStatus().nodes.filter(({ takesReads }) => takesReads).length === 2, {
    deadlineMs: 15_000,
    what: 'both replicas to take reads',
  });
});

it('takes all back where the cluster is closed on the way', { timeout: 60_000 }, async () => {
  const other = PgCluster.fromConfig(servers.config, options);
  await other.connect();
  let isOver = false;
  // A transaction of another client keeps it waiting where the old primary is read-only already.
  const blocking = cluster.transaction(async () => {
    await cluster.query('INSERT INTO written VALUES (1)');
    await until(() => isOver, { deadlineMs: 20_000, what: 'the end' });
  });
  await until(() => cluster.getStatus().activeConnections > 0, { deadlineMs: 5_000, what: 'a transaction' });
  const switching = other.switchover().catch((error: unknown) => error);
  await until(async () => (await readOnly()) === 'on', {
    deadlineMs: 5_000,
    what: 'the primary to be read-only',
  });
  await other.close();
  expect(await switching).toMatchObject({ message: 'no switchover: the cluster closes' });
  expect(await readOnly()).toBe('off');
  isOver = true;
  await blocking;
  await cluster.query('INSERT INTO written VALUES (2)');
});

async function readOnly(): Promise<string | undefined> {
  const { rows } = await servers.primary.query<{ setting: string }>(
    `SELECT current_setting('default_transaction_read_only') AS setting`,
  );
  return rows[0]?.setting;
}

it('is not done where the old primary does not become read-only', { timeout: 60_000 }, async () => {
  const { primary } = servers;
  // Of files with an error in them a server takes nothing.
  const settings = join(primary.dataFolder, 'postgresql.conf');
  await appendFile(settings, '\nthis is no setting\n');
  await expect(cluster.switchover()).rejects.toThrow(`waiting for ${primary.name} to be read-only`);
  expect(events.map(({ step }) => step)).not.toContain('primary-demoted');
  await cluster.query('INSERT INTO written VALUES (1)');
  expect(cluster.getStatus().primary).toBe(primary.name);
  const { rows } = await primary.query('SELECT count(*)::int AS n FROM pg_stat_replication');
  expect(rows).toEqual([{ n: 2 }]);
});

it(
  'that comes to nothing leaves replicas where an earlier one has sent them',
  { timeout: 60_000 },
  async () => {
    const [first, other] = servers.replicas;
    await cluster.switchover(first?.name);
    const streams = async () =>
      (await other?.query(`SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND received_tli = 2`))
        ?.rowCount;
    await until(streams, { deadlineMs: 10_000, what: 'the other replica to follow' });
    await using held = PgCluster.fromConfig(servers.config, options);
    await held.connect();
    let isOver = false;
    const blocking = held.transaction(async () => {
      await held.query('INSERT INTO written VALUES (1)');
      await until(() => isOver, { deadlineMs: 20_000, what: 'the end' });
    });
    await until(() => held.getStatus().activeConnections > 0, { deadlineMs: 5_000, what: 'a transaction' });
    await until(
      () => cluster.getStatus().nodes.some(({ name, takesReads }) => name === other?.name && takesReads),
      {
        deadlineMs: 10_000,
        what: 'the other replica to be fit',
      },
    );
    await expect(cluster.switchover(other?.name)).rejects.toThrow(/transactions of other clients/);
    isOver = true;
    await blocking;
    await cluster.query('INSERT INTO written VALUES (2)');
    expect(await streams()).toBe(1);
    expect(await missing([1, 2])).toBe(0);
  },
);

it.each<[string, () => string | undefined, string]>([
  [
    'an unknown node',
    () => 'nowhere',
    'no switchover: there is no node nowhere (there are: node1, node2, node3)',
  ],
  ['the primary', () => servers.primary.name, 'no switchover: node1 is the primary already'],
])('refuses %s', async (_what, target, message) => {
  await expect(cluster.switchover(target())).rejects.toMatchObject({ code: 'SWITCHOVER_FAILED', message });
});

it('refuses without the rights, and names them', async () => {
  const { monitor: _, ...config } = servers.config;
  await using modest = PgCluster.fromConfig(config, options);
  await modest.connect();
  await expect(modest.switchover()).rejects.toThrow(
    /it lacks the role pg_monitor; pg_promote; .*GRANT pg_monitor TO app_user;/,
  );
});
