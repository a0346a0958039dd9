import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sure } from '../support/sure.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const SETTINGS = {
  healthCheck: { interval: '250ms', timeout: '1s' },
  failover: { retryDelay: '250ms', maxRetryAttempts: 3 },
  connectionPool: { acquireTimeout: '15s', connectionTimeout: '1s' },
};

let servers: EmbeddedCluster;
let cluster: PgCluster;

beforeEach(async () => {
  servers = await EmbeddedCluster.start({ replicas: 2 });
  await servers.primary.query('CREATE TABLE written (id bigserial PRIMARY KEY, by int)');
  await servers.primary.query(
    'GRANT ALL ON written TO PUBLIC; GRANT ALL ON SEQUENCE written_id_seq TO PUBLIC',
  );
  cluster = PgCluster.fromConfig(servers.config, SETTINGS);
  await cluster.connect();
});

afterEach(async () => {
  await cluster.close();
  await servers.stop();
});

interface Load {
  /** Errors by code. */
  readonly failedReads: Map<string, number>;
  readonly failedWrites: Map<string, number>;
  reads: number;
  writes: number;
  /** When the last write was acknowledged. */
  wroteAt: number;
  stop(): Promise<void>;
}

/** 16 writers and 64 readers, each with one call after the other. */
function load(of: PgCluster = cluster): Load {
  let isOver = false;
  const count = (counts: Map<string, number>, error: unknown) => {
    const code = (error as { code?: string }).code ?? String(error);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  };
  const seen = { failedReads: new Map(), failedWrites: new Map(), reads: 0, writes: 0, wroteAt: 0 };
  const writer = async (by: number) => {
    while (!isOver) {
      try {
        await of.query('INSERT INTO written (by) VALUES ($1)', [by]);
        seen.writes++;
        seen.wroteAt = performance.now();
      } catch (error) {
        count(seen.failedWrites, error);
      }
    }
  };
  const reader = async () => {
    while (!isOver) {
      try {
        await of.useReplica({ consistency: 'eventual' }, () => of.query('SELECT count(*) FROM written'));
        seen.reads++;
      } catch (error) {
        count(seen.failedReads, error);
      }
    }
  };
  const callers = [
    ...Array.from({ length: 16 }, (_, by) => writer(by)),
    ...Array.from({ length: 64 }, () => reader()),
  ];
  return Object.assign(seen, {
    stop: async () => {
      isOver = true;
      await Promise.all(callers);
    },
  });
}

const statusOf = ({ name }: EmbeddedNode) =>
  sure(
    cluster.getStatus().nodes.find((node) => node.name === name),
    name,
  );
const isDown = (node: EmbeddedNode) =>
  until(() => statusOf(node).health === 'down', { deadlineMs: 10_000, what: `${node.name} down` });
const writesAgain = async (running: Load) => {
  const { writes } = running;
  await until(() => running.writes > writes + 16, { deadlineMs: 15_000, what: 'writes' });
};
const tell = (what: string, since: number, running: Load) => {
  if (process.env['PG_MCP_FIGURES'])
    console.log(what, Math.round(performance.now() - since), 'ms', running.failedReads, running.failedWrites);
};

/** At most those that were in flight at the moment may have failed. */
function expectOnlyThoseInFlight({ failedReads, failedWrites }: Load): void {
  expect([...failedReads]).toEqual([]);
  expect([...failedWrites.keys()].filter((code) => code !== 'CONNECTION_LOST')).toEqual([]);
  expect(failedWrites.get('CONNECTION_LOST') ?? 0).toBeLessThanOrEqual(16);
}

describe('under load', () => {
  it('a promotion by someone else is followed, roles change places, the old primary comes back as a replica', async () => {
    const [former, heir, other] = [servers.primary, ...servers.replicas].map((node) => sure(node));
    if (!former || !heir || !other) throw new Error('three nodes');
    const running = load();
    await writesAgain(running);
    await former.kill();
    await heir.promote();
    const writable = performance.now();
    await writesAgain(running);
    tell('promoted: 16 writes after', writable, running);
    await other.stop();
    await servers.rejoin(other);
    await servers.rejoin(former);
    await until(() => statusOf(former).takesReads && statusOf(other).takesReads, {
      deadlineMs: 15_000,
      what: 'both as replicas',
    });
    await running.stop();
    expectOnlyThoseInFlight(running);
    const { primary, nodes } = cluster.getStatus();
    expect(primary).toBe(heir.name);
    expect(nodes.map(({ name, role }) => [name, role])).toEqual([
      [former.name, 'replica'],
      [heir.name, 'primary'],
      [other.name, 'replica'],
    ]);
  }, 60_000);

  it('a primary that freezes is left when another is promoted, and kept out when it thaws', async () => {
    const [former, heir] = [servers.primary, sure(servers.replicas[0])];
    const running = load();
    await writesAgain(running);
    const frozen = performance.now();
    await former.freeze();
    await heir.promote();
    await writesAgain(running);
    tell('frozen and promoted: 16 writes after', frozen, running);
    await isDown(former).catch(() => {});
    await former.thaw();
    await until(() => statusOf(former).health === 'refused', { deadlineMs: 10_000, what: 'it kept out' });
    await writesAgain(running);
    await running.stop();
    expectOnlyThoseInFlight(running);
    expect(cluster.getStatus().primary).toBe(heir.name);
  }, 60_000);

  it('a primary that flaps, and a replica that goes with it, cost no more than what was in flight', async () => {
    const [primary, replica] = [servers.primary, sure(servers.replicas[0])];
    const running = load();
    await writesAgain(running);
    for (let times = 0; times < 2; times++) {
      await Promise.all([primary.kill(), replica.kill()]);
      await isDown(primary);
      await Promise.all([primary.start(), replica.start()]);
      await writesAgain(running);
    }
    await running.stop();
    expect([...running.failedReads]).toEqual([]);
    expect([...running.failedWrites.keys()].filter((code) => code !== 'CONNECTION_LOST')).toEqual([]);
    expect(running.failedWrites.get('CONNECTION_LOST') ?? 0).toBeLessThanOrEqual(32);
  }, 60_000);

  it('a primary that is fenced, and its heir promoted, fail no write: a switchover of somebody else', async () => {
    const [former, heir] = [servers.primary, sure(servers.replicas[0])];
    const running = load();
    await writesAgain(running);
    await former.query('ALTER SYSTEM SET default_transaction_read_only = on');
    await former.query('SELECT pg_reload_conf()');
    await until(() => performance.now() - running.wroteAt > 100, {
      deadlineMs: 5_000,
      what: 'no more writes',
    });
    await heir.promote();
    const writable = performance.now();
    await writesAgain(running);
    tell('switched: 16 writes after', writable, running);
    await running.stop();
    expect([...running.failedReads, ...running.failedWrites]).toEqual([]);
  }, 60_000);
});

describe('a node that does not answer', () => {
  it('as a frozen replica, fails no read: those that hang there run elsewhere once it is down', async () => {
    const victim = sure(servers.replicas[0]);
    const running = load();
    await writesAgain(running);
    const frozen = performance.now();
    await victim.freeze();
    await isDown(victim);
    tell('frozen replica: down after', frozen, running);
    await until(() => statusOf(victim).pool.active === 0, { deadlineMs: 1_000, what: 'nothing on it' });
    await running.stop();
    expect([...running.failedReads, ...running.failedWrites]).toEqual([]);
  }, 60_000);

  it('behind a dead network is cut off, with what connects to it, and is back when that is', async () => {
    const victim = sure(servers.replicas[0]);
    await using proxy = await TcpProxy.start(victim);
    const { config } = servers;
    const behind = (node: { port: number }) =>
      node.port === victim.port ? { ...node, port: proxy.port } : node;
    await using remote = PgCluster.fromConfig(
      { ...config, replicas: config.replicas.map(behind) } as never,
      SETTINGS,
    );
    await remote.connect();
    const nodeStatus = () => sure(remote.getStatus().nodes.find(({ port }) => port === proxy.port));
    const running = load(remote);
    await writesAgain(running);
    const dead = performance.now();
    proxy.blackHole();
    await until(() => nodeStatus().health === 'down', { deadlineMs: 10_000, what: 'down' });
    tell('black hole: down after', dead, running);
    await until(() => nodeStatus().pool.active === 0, { deadlineMs: 1_000, what: 'nothing on it' });
    const { reads } = running;
    await until(() => running.reads > reads + 500, { deadlineMs: 10_000, what: 'reads' });
    proxy.heal();
    await until(() => nodeStatus().takesReads && nodeStatus().pool.total > 1, {
      deadlineMs: 10_000,
      what: 'back',
    });
    await running.stop();
    expect([...running.failedReads, ...running.failedWrites]).toEqual([]);
  }, 60_000);
});
