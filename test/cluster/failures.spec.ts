import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.js';
import { sure } from '../support/sure.js';

let servers: EmbeddedCluster;
let cluster: PgCluster;
let replicas: readonly EmbeddedNode[];

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 2 });
  await servers.primary.query('CREATE TABLE filler (text text)');
  await servers.primary.query('GRANT ALL ON filler TO PUBLIC');
  replicas = servers.replicas;
});

afterAll(() => servers.stop());

beforeEach(async () => {
  cluster = PgCluster.fromConfig(servers.config, {
    healthCheck: { interval: '200ms', timeout: '400ms' },
    connectionPool: { acquireTimeout: '2s', connectionTimeout: '1s' },
  });
  await cluster.connect();
  await allUp();
});

afterEach(async () => {
  await cluster.close();
  for (const node of servers.nodes) {
    await node.thaw();
    if (!node.isRunning) await node.start();
    if (node !== servers.primary) await node.resumeReplay();
  }
});

const nodeStatus = (node: EmbeddedNode) => {
  const found = cluster.getStatus().nodes.find(({ port }) => port === node.port);
  if (!found) throw new Error(`${node.name} is not in the status`);
  return found;
};
const allUp = () =>
  until(
    () =>
      cluster
        .getStatus()
        .nodes.every(({ health, role, takesReads }) => health === 'up' && (role === 'primary' || takesReads)),
    {
      deadlineMs: 10_000,
      what: 'every node up',
    },
  );
const port = async () =>
  (await cluster.query<{ port: number }>('SELECT inet_server_port() AS port')).rows[0]?.port;
const read = () => cluster.useReplica(port);
const onPrimary = <T>(text: string) => cluster.useMaster(() => cluster.query<T>(text));
const grow = (megabytes: number) =>
  cluster.query(
    `INSERT INTO filler SELECT repeat(md5(i::text), 32) FROM generate_series(1, $1 * 1000) AS i`,
    [megabytes],
  );

type Arrivals = Map<number | undefined, number>;

/** Reads from 8 callers at once until it is enough; every one must succeed. */
async function readWhile(goesOn: (seen: Arrivals, count: number) => boolean): Promise<Arrivals> {
  const seen: Arrivals = new Map();
  let count = 0;
  const caller = async () => {
    while (goesOn(seen, count)) {
      count++;
      const at = await read();
      seen.set(at, (seen.get(at) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 8 }, caller));
  return seen;
}

/** For as long as the work takes. */
async function readingThroughout(work: () => Promise<unknown>): Promise<Arrivals> {
  let isOver = false;
  const [seen] = await Promise.all([readWhile(() => !isOver), work().finally(() => (isOver = true))]);
  return seen;
}

/** Eight of them go in one packet, and a replica that has just come back is chosen for one packet of twenty. */
const READS = 4_000;
const reading = () => readWhile((_seen, count) => count < READS);

describe('a replica', () => {
  it('that is killed takes no reads from then on, none fails, and it is back after its restart', async () => {
    const [victim, other] = [sure(replicas[0]), sure(replicas[1])];
    await readingThroughout(async () => {
      await victim.kill();
      await until(() => nodeStatus(victim).health === 'down', { deadlineMs: 5_000, what: 'down' });
    });
    const during = await reading();
    expect([...during.keys()]).toEqual([other.port]);
    expect(await cluster.healthCheck()).toMatchObject({ status: 'degraded' });
    await victim.start();
    await allUp();
    const after = await reading();
    expect([...after.keys()].toSorted()).toEqual([victim.port, other.port].toSorted());
  });

  it('that freezes takes no reads once a probe has waited in vain, and what hangs there runs elsewhere', async () => {
    const victim = sure(replicas[0]);
    const seen = await readingThroughout(async () => {
      await victim.freeze();
      await until(() => nodeStatus(victim).health === 'down', { deadlineMs: 8_000, what: 'down' });
    });
    expect(seen.get(sure(replicas[1]).port)).toBeGreaterThan(0);
    await victim.thaw();
    await allUp();
  });

  it('that is gone with all others leaves the reads to the primary, which still refuses their writes', async () => {
    await Promise.all(replicas.map((replica) => replica.kill()));
    expect(await read()).toBe(servers.primary.port);
    await expect(cluster.useReplica(() => grow(1))).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA' });
    await expect(
      cluster.useReplica({ session: true }, async () => {
        expect(await port()).toBe(servers.primary.port);
        await grow(1);
      }),
    ).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA' });
    for (const escape of [
      `COMMIT; INSERT INTO filler VALUES ('x')`,
      `SET TRANSACTION READ WRITE; INSERT INTO filler VALUES ('x')`,
    ]) {
      await expect(cluster.useReplica(() => cluster.query(escape))).rejects.toMatchObject({
        code: 'SESSION_STATEMENT',
      });
      await expect(
        cluster.transaction(() => cluster.useReplica(() => cluster.query(escape))),
      ).rejects.toThrow(/multiple commands|within transaction|stays read-only/);
    }
    expect((await onPrimary(`SELECT FROM filler WHERE text = 'x'`)).rows).toEqual([]);
    await expect(cluster.useReplica({ onUnavailable: 'fail' }, port)).rejects.toMatchObject({
      code: 'NO_REPLICA',
    });
    const waiting = cluster.useReplica({ onUnavailable: 'wait' }, port);
    await sure(replicas[1]).start();
    expect(await waiting).toBe(sure(replicas[1]).port);
    const { decisions } = cluster.getCounters();
    expect(decisions.find(({ reason }) => reason === 'no-replica')?.count).toBeGreaterThan(0);
    await grow(1);
  });

  it('that does not replay lags in bytes and seconds, takes no reads beyond the limit, and catches up to zero', async () => {
    const [paused, other] = [sure(replicas[0]), sure(replicas[1])];
    await paused.pauseReplay();
    await grow(4);
    await until(() => (nodeStatus(paused).lagSeconds ?? 0) > 0.6, {
      deadlineMs: 5_000,
      what: 'seconds of lag',
    });
    expect(nodeStatus(paused).lagBytes).toBeGreaterThan(4_000_000);
    expect(nodeStatus(paused)).toMatchObject({ isReplayPaused: true, takesReads: true });
    expect(nodeStatus(other)).toMatchObject({ lagBytes: 0, lagSeconds: 0 });
    const demanding = await Promise.all(
      Array.from({ length: 50 }, () => cluster.useReplica({ maxLag: '500ms' }, port)),
    );
    expect(new Set(demanding)).toEqual(new Set([other.port]));
    await grow(16);
    await until(
      () =>
        !nodeStatus(paused).takesReads && nodeStatus(other).lagBytes === 0 && nodeStatus(other).takesReads,
      {
        deadlineMs: 5_000,
        what: 'one beyond max_lag_bytes, the other not',
      },
    );
    const during = await reading();
    expect([...during.keys()]).toEqual([other.port]);
    await paused.resumeReplay();
    await until(
      () =>
        nodeStatus(paused).lagBytes === 0 &&
        nodeStatus(paused).lagSeconds === 0 &&
        nodeStatus(paused).takesReads,
      {
        deadlineMs: 10_000,
        what: 'no lag',
      },
    );
  });

  it('serves a scope to its end: one that dies is replaced by one that has seen as much', async () => {
    await cluster.useReplica(async () => {
      const first = await port();
      for (let i = 0; i < 10; i++) expect(await port()).toBe(first);
      const victim = sure(replicas.find((replica) => replica.port === first));
      const heir = sure(replicas.find((replica) => replica.port !== first));
      await heir.pauseReplay();
      await cluster.useMaster(() => grow(1));
      await until(() => nodeStatus(victim).lagBytes === 0 && (nodeStatus(heir).lagBytes ?? 0) > 0, {
        deadlineMs: 5_000,
        what: 'apart',
      });
      expect(await port()).toBe(first);
      await victim.kill();
      expect(await port()).toBe(servers.primary.port);
      await heir.resumeReplay();
      // Now it has what the scope has read on the primary.
      await until(async () => (await port()) === heir.port, { deadlineMs: 5_000, what: 'the heir to serve' });
    });
  });
});

describe('the primary', () => {
  it('that is gone: reads go on, writes wait and then say why, and all is well when it is back', async () => {
    await servers.primary.kill();
    const seen = await readingThroughout(async () => {
      await expect(onPrimary('SELECT 1')).rejects.toMatchObject({
        code: 'NO_PRIMARY',
        message: expect.stringMatching(/ECONNREFUSED/),
      });
    });
    expect([...seen.keys()]).not.toContain(servers.primary.port);
    expect(await cluster.healthCheck()).toMatchObject({ status: 'down' });
    const waiting = onPrimary('SELECT 1 AS one');
    await servers.primary.start();
    expect((await waiting).rows).toEqual([{ one: 1 }]);
    await allUp();
    expect(await cluster.healthCheck()).toMatchObject({ status: 'up', problems: [] });
  });

  it('breaks a write in flight with an unknown outcome, never runs it twice', async () => {
    const running = cluster.query(`INSERT INTO filler SELECT 'once' FROM pg_sleep(30)`);
    const settled = expect(running).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      outcome: 'unknown',
      safeToRetry: false,
    });
    await expect.poll(() => cluster.getStatus().activeConnections).toBe(1);
    await servers.primary.kill();
    await settled;
    await servers.primary.start();
    await allUp();
    expect((await onPrimary(`SELECT count(*)::int AS count FROM filler WHERE text = 'once'`)).rows).toEqual([
      { count: 0 },
    ]);
  });
});

describe('a promotion by someone else', () => {
  it('is followed: writes go to the new primary, and the old one is refused when it comes back', async () => {
    const [former, heir] = [servers.primary, sure(replicas[0])];
    await former.kill();
    const waiting = onPrimary<{ port: number }>('SELECT inet_server_port() AS port');
    await heir.promote();
    expect((await waiting).rows[0]?.port).toBe(heir.port);
    await grow(1);
    await former.start();
    await until(() => nodeStatus(former).health === 'refused', {
      deadlineMs: 5_000,
      what: 'the old primary refused',
    });
    expect(nodeStatus(former).reason).toMatch(/writable on timeline 1, but the cluster has reached 2/);
    for (let i = 0; i < 20; i++) expect(await cluster.useMaster(port)).toBe(heir.port);
    const standby = sure(servers.replicas.find((node) => node !== former));
    await until(() => nodeStatus(standby).receiver === 'streaming', {
      deadlineMs: 8_000,
      what: 'a standby of the old one',
    });
    expect(nodeStatus(standby)).toMatchObject({
      takesReads: false,
      reason: expect.stringMatching(/follows timeline 1/),
    });
    expect(await read()).toBe(heir.port);
    await former.stop();
    await servers.rejoin(former);
    await servers.rejoin(standby);
    await allUp();
    const { user } = sure(servers.config.replicas[0]);
    const seen = await reading();
    expect([...seen.keys()].toSorted()).toEqual([former.port, standby.port].toSorted());
    expect((await cluster.useReplica(() => cluster.query('SELECT current_user AS name'))).rows).toEqual([
      { name: user },
    ]);
  });
});

describe('a pool', () => {
  it('that is exhausted says so with its counts, and serves again', async () => {
    await using small = PgCluster.fromConfig(servers.config, {
      connectionPool: { maxConnections: 2, acquireTimeout: '200ms' },
    });
    await small.connect();
    await using one = await small.getMasterConnection();
    await using two = await small.getMasterConnection();
    await expect(small.useMaster(() => small.query('SELECT 1'))).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      safeToRetry: true,
      pool: { active: 2, idle: 0, total: 2, max: 2, pending: 1 },
      message: expect.stringMatching(/within \d+ ms \(2 active, 0 idle, 2 open of 2 allowed, 1 waiting\)/),
    });
    expect((await small.healthCheck()).status).toBe('up');
    await Promise.all([one.release(), two.release()]);
    expect((await small.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('survives the end of every connection by the server', async () => {
    await Promise.all(Array.from({ length: 5 }, () => onPrimary('SELECT pg_sleep(0.05)')));
    const terminated = await servers.primary.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nestjs-pg-mcp'`,
    );
    expect(terminated.rowCount).toBeGreaterThan(1);
    const lost = () =>
      cluster.getCounters().connections.reduce((sum, { closed }) => sum + (closed.get('lost') ?? 0), 0);
    await until(() => lost() === terminated.rowCount, { deadlineMs: 5_000, what: 'the pool noticing' });
    expect((await cluster.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});
