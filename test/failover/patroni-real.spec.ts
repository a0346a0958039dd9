import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PgCluster } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { Tls } from '../../lib/config/tls.js';
import { PatroniClient } from '../../lib/failover/patroni-client.js';
import { freePort } from '../../lib/testing/free-port.js';
import { PatroniCluster, whyNoPatroni } from '../support/patroni.js';
import type { PatroniNode } from '../support/patroni-node.js';
import { sure } from '../support/sure.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { connected, engineAlone, Writer } from './patroni-scene.js';

const reason = whyNoPatroni();
if (reason !== undefined) process.stderr.write(`no test with a real Patroni: ${reason}\n`);

/** ttl, loop and retry are 5, 1 and 2 s here; the machine may be busy. */
const FAILOVER_MS = 40_000;
const NEVER = new AbortController().signal;

const codesOf = (failures: readonly unknown[]) =>
  failures.map((failure) => (failure as { code?: string }).code);

describe.skipIf(reason !== undefined)('a real Patroni', { timeout: 150_000 }, () => {
  let servers: PatroniCluster;
  let leader: PatroniNode;
  let others: readonly PatroniNode[];
  let table: string;
  let count = 0;

  beforeAll(async () => {
    servers = await PatroniCluster.start();
  }, 120_000);

  afterAll(() => servers?.stop());

  beforeEach(async () => {
    leader = await servers.untilWhole();
    others = servers.nodes.filter((node) => node !== leader);
    table = `written${++count}`;
  }, 70_000);

  /** Writes through an event until another node has taken the last of a hundred rows, and says what became of the rows. */
  async function writeThrough(cluster: PgCluster, event: () => unknown, next: () => string | undefined) {
    await cluster.query(`CREATE TABLE ${table} (id int)`);
    const writer = new Writer(cluster, table);
    await until(() => writer.acknowledged.length > 20, { deadlineMs: 10_000, what: 'the first rows' });
    await event();
    await until(next, { deadlineMs: FAILOVER_MS, what: 'another primary' });
    const before = writer.acknowledged.length;
    await until(() => writer.acknowledged.length > before + 20, {
      deadlineMs: FAILOVER_MS,
      what: 'more rows',
    });
    await writer.stop();
    const { rows } = await cluster.useMaster(() => cluster.query<{ id: number }>(`SELECT id FROM ${table}`));
    const kept = new Set(rows.map(({ id }) => id));
    return { writer, lost: writer.acknowledged.filter((id) => !kept.has(id)) };
  }

  const another = (cluster: PgCluster) => () => {
    const { primary } = cluster.getStatus();
    return primary === leader.name ? undefined : primary;
  };

  test('says who leads, whoever is configured as the master', async () => {
    await using here = await connected(servers);
    expect(here.cluster.getStatus().primary).toBe(leader.name);
    expect(here.events.filter(({ step }) => step === 'warning')).toEqual([]);
  });

  test('a leader that is killed with its Patroni: writes go on after the promotion, and nothing acknowledged is lost', async () => {
    await using here = await connected(servers);
    const { writer, lost } = await writeThrough(here.cluster, () => leader.kill(), another(here.cluster));
    expect(lost).toEqual([]);
    // The one that was under way.
    expect(codesOf(writer.failures)).toEqual(['CONNECTION_LOST']);
    expect(here.events.map(({ step }) => step)).toEqual(['primary-lost', 'primary-found']);
  });

  test('a leader that freezes with its Patroni', async () => {
    await using here = await connected(servers);
    const { writer, lost } = await writeThrough(here.cluster, () => leader.freeze(), another(here.cluster));
    expect(lost).toEqual([]);
    expect(codesOf(writer.failures)).toEqual(['CONNECTION_LOST']);
    await leader.kill();
  });

  test('Patroni is killed, its PostgreSQL lives on and another is promoted: only that one is used', async () => {
    await using here = await connected(servers);
    let pids: readonly number[] = [];
    const { lost } = await writeThrough(
      here.cluster,
      async () => {
        pids = await ourConnections(leader);
        await leader.killPatroni();
      },
      another(here.cluster),
    );
    expect(lost).toEqual([]);
    expect(pids.length).toBeGreaterThan(0);
    expect(await leader.isPrimary()).toBe(true);
    await until(() => nodeOf(here.cluster, leader.name).health === 'refused', {
      deadlineMs: 5_000,
      what: 'the former leader to be refused',
    });
    await until(async () => !(await ourConnections(leader)).some((pid) => pids.includes(pid)), {
      deadlineMs: 5_000,
      what: 'the connections to the former leader to end',
    });
    expect(here.events.filter(({ step }) => step === 'split-brain')).toEqual([]);
    expect(here.events).toContainEqual(
      expect.objectContaining({ step: 'node-quarantined', node: leader.name }),
    );
  });

  test('a switchover is asked for: to a replica that is named, and to one of its choice; no write fails', async () => {
    await using here = await connected(servers);
    const client = new PatroniClient({ ...access(), timeoutMs: 1_000 }, systemClock);
    const members = await client.cluster(NEVER);
    const standby = sure(members.find(({ role }) => role === 'sync-standby')).name;
    const { writer, lost } = await writeThrough(
      here.cluster,
      () => here.cluster.switchover(standby),
      another(here.cluster),
    );
    expect(lost).toEqual([]);
    expect(writer.failures).toEqual([]);
    expect(here.cluster.getStatus().primary).toBe(standby);

    await servers.untilWhole();
    await here.cluster.switchover();
    expect(here.cluster.getStatus().primary).not.toBe(standby);
    expect(here.events.filter(({ step }) => step === 'switchover-ended')).toHaveLength(2);
  });

  test.each<
    [string, (fromTo: { from: string; other: string; async: string }) => [string, string | undefined], RegExp]
  >([
    ['from a node that does not lead', ({ other }) => [other, undefined], /its leader is node\d, not node\d/],
    ['to a node that is none of its members', ({ from }) => [from, 'node9'], /node9 is none of its members/],
    [
      'to one it holds unfit',
      ({ from, async }) => [from, async],
      /candidate name does not match with sync_standby \(HTTP 412\)/,
    ],
  ])('a switchover %s is refused', async (_, of, message) => {
    await using alone = await engineAlone(servers);
    const client = new PatroniClient({ ...access(), timeoutMs: 1_000 }, systemClock);
    const async = sure((await client.cluster(NEVER)).find(({ role }) => role === 'replica')).name;
    const [from, to] = of({ from: leader.name, other: sure(others[0]).name, async });
    await expect(alone.engine.switchover(from, to)).rejects.toMatchObject({
      code: 'SWITCHOVER_FAILED',
      message: expect.stringMatching(message),
      safeToRetry: true,
    });
    expect(alone.monitor.topology.primary).toBe(leader.name);
  });

  test('a wrong password is named where it counts, at a switchover', async () => {
    await using alone = await engineAlone(servers, { password: 'wrong' });
    await expect(alone.engine.switchover(leader.name, undefined)).rejects.toMatchObject({
      code: 'SWITCHOVER_FAILED',
      message: expect.stringMatching(/HTTP 401/),
    });
  });

  test('a certificate that is not trusted, endpoints that are dead, refuse or say nothing, and one that answers', async () => {
    await using blackHole = await TcpProxy.start({ host: '127.0.0.1', port: leader.port });
    blackHole.blackHole();
    const refusing = createServer((_, response) => response.writeHead(401).end('no auth header received'));
    await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
    try {
      const bad = [await freePort(), (refusing.address() as AddressInfo).port, blackHole.port];
      const urls = [...bad.map((port) => `http://127.0.0.1:${port}`), leader.url];
      const client = new PatroniClient({ ...access(), urls, timeoutMs: 500 }, systemClock);
      expect(await client.cluster(NEVER)).toHaveLength(3);
      const start = performance.now();
      await client.cluster(NEVER);
      expect(performance.now() - start).toBeLessThan(450);

      const distrustful = new PatroniClient(
        { ...access(), urls, ssl: new Tls(), timeoutMs: 500 },
        systemClock,
      );
      await expect(distrustful.cluster(NEVER)).rejects.toThrow(
        /: connect ECONNREFUSED .*: no auth header received \(HTTP 401\); .*: no answer within 500 ms; .*self-signed certificate/,
      );
    } finally {
      refusing.close();
    }
  });

  test('no Patroni is left: another that is promoted is followed all the same', async () => {
    await using here = await connected(servers);
    const heir = sure(others[0]);
    await Promise.all(servers.nodes.map((node) => node.killPatroni()));
    const warnings = () => here.events.filter(({ step }) => step === 'warning').map(({ detail }) => detail);
    await until(() => warnings().length > 0, { deadlineMs: 10_000, what: 'the warning' });
    await leader.kill();
    await heir.query('SELECT pg_promote()');
    await until(() => here.cluster.getStatus().primary === heir.name, {
      deadlineMs: 10_000,
      what: 'the heir',
    });
    await here.cluster.query(`CREATE TABLE ${table} (id int)`);
    expect(warnings()).toEqual([expect.stringMatching(/^Patroni can't be asked.*as in mode follow/)]);

    for (const node of servers.nodes) node.start();
    await until(() => warnings().length > 1, { deadlineMs: FAILOVER_MS, what: 'Patroni to answer again' });
    expect(warnings().slice(1)).toEqual(['Patroni answers again']);
  });

  function access() {
    const { urls, user, password, ssl } = servers.access;
    return { urls, account: { user, password: () => password }, ssl: new Tls(ssl) };
  }
});

// With servers of its own: this Patroni may never again agree on the replica that a commit waits for.
describe.skipIf(reason !== undefined)('a real Patroni', { timeout: 150_000 }, () => {
  test('a leader that thaws: whether or not it leads again, as Patroni 3.0.2 may have it, it is as Patroni says', async () => {
    await using alone = await PatroniCluster.start();
    const leader = await alone.untilWhole();
    await using here = await connected(alone);
    const primary = () => here.cluster.getStatus().primary;
    leader.freeze();
    await until(() => ![undefined, leader.name].includes(primary()), {
      deadlineMs: FAILOVER_MS,
      what: 'another primary',
    });
    const logged = logOf(leader).length;
    leader.thaw();
    await until(
      () => /I am \(\w+\), (a secondary|the leader with the lock)/.test(logOf(leader).slice(logged)),
      {
        deadlineMs: FAILOVER_MS,
        what: 'it to know what it is',
      },
    );
    await until(async () => (await alone.soleLeader())?.name === primary(), {
      deadlineMs: FAILOVER_MS,
      what: 'the leader that Patroni names to be used',
    });
    const accepted = here.events.filter(({ step }) => step === 'lower-timeline-accepted');
    expect(accepted).toHaveLength(primary() === leader.name ? 1 : 0);
    const { rows } = await here.cluster.useMaster(() =>
      here.cluster.query<{ port: number }>('SELECT inet_server_port() AS port'),
    );
    expect(rows).toEqual([{ port: alone.node(sure(primary())).port }]);
  });
});

function nodeOf(cluster: PgCluster, name: string) {
  return sure(cluster.getStatus().nodes.find((node) => node.name === name));
}

/** Without a commit that waits for its synchronous replica, which doesn't notice that its client has gone. */
async function ourConnections(node: PatroniNode): Promise<readonly number[]> {
  const { rows } = await node.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE application_name = 'nestjs-pg-mcp' AND wait_event IS DISTINCT FROM 'SyncRep'`,
  );
  return rows.map(({ pid }) => pid);
}

function logOf({ logFile }: PatroniNode): string {
  return readFileSync(logFile, 'utf8');
}
