import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { PgCluster, type ClusterConfig, type ClusterOptions } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Authority } from '../support/authority.js';
import { sure } from '../support/sure.js';
import { showCertificate, speakTls } from '../support/tls-servers.js';
import { until } from '../support/until.js';

const RULES = [
  'hostssl all certified 127.0.0.1/32 cert',
  'hostnossl all certified,app_user,app_ro_user,app_monitor_user 127.0.0.1/32 reject',
];
const NAMES = { names: ['IP:127.0.0.1', 'DNS:db.internal'] };
const PASSPHRASE = 'open sesame';

const folder = mkdtempSync(join(tmpdir(), 'pg-mcp-tls-'));
const [authority, stranger] = [new Authority(folder, 'authority'), new Authority(folder, 'stranger')];
const caFile = authority.certFile;
const client = authority.issue('certified', { passphrase: PASSPHRASE });
const certified = { certFile: client.certFile, keyFile: client.keyFile, passphrase: PASSPHRASE };

let servers: EmbeddedCluster;
const opened: PgCluster[] = [];

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 1 });
  await servers.primary.query('CREATE ROLE certified LOGIN IN ROLE pg_monitor');
  await speakTls(servers, caFile, RULES);
  await showCertificate(servers, authority.issue('db', NAMES));
  await until(async () => Promise.all(servers.nodes.map(speaksTls)).then((all) => all.every(Boolean)), {
    deadlineMs: 5_000,
    what: 'the servers to take TLS up',
  });
});
afterEach(() => Promise.all(opened.splice(0).map((cluster) => cluster.close())));
afterAll(async () => {
  await servers.stop();
  rmSync(folder, { recursive: true });
});

async function speaksTls(node: EmbeddedCluster['primary']): Promise<boolean> {
  const { rows } = await node.query<{ on: boolean }>("SELECT current_setting('ssl') = 'on' AS on");
  return sure(rows[0]).on;
}

type Ssl = ClusterConfig['ssl'];

function clusterOf(
  ssl: Ssl,
  options: ClusterOptions = {},
  config: ClusterConfig = servers.config,
): PgCluster {
  const cluster = PgCluster.fromConfig(config, {
    ssl,
    startup: { attempts: 1 },
    connectionPool: { applicationName: 'over TLS' },
    ...options,
  });
  opened.push(cluster);
  return cluster;
}

/** The same servers under another host, or for another account. */
function nodes(changes: { host?: string; user?: string; password?: undefined }): ClusterConfig {
  const { masters, replicas } = servers.config;
  const changed = <Entry extends object>(entry: Entry) => ({ ...entry, ...changes });
  return { masters: masters.map(changed), replicas: replicas.map(changed) };
}

it('all goes over TLS: calls, probes, COPY, streams, a switchover', async () => {
  const cluster = clusterOf({ mode: 'verify-full', caFile });
  await cluster.connect();
  await cluster.query('CREATE TABLE copied (id int)');
  await cluster.copyFrom('copied', { columns: ['id'] }, [[1], [2]]);
  const streamed = [];
  for await (const row of cluster.stream('SELECT id FROM copied')) streamed.push(row);
  expect(streamed).toHaveLength(2);
  await until(() => cluster.getStatus().nodes.every(({ health }) => health === 'up'), {
    deadlineMs: 5_000,
    what: 'every node up',
  });
  const seen = await servers.primary.query<{ name: string; ssl: boolean }>(
    `SELECT DISTINCT application_name AS name, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
     WHERE application_name LIKE 'over TLS%' ORDER BY 1`,
  );
  expect(seen.rows).toEqual([
    { name: 'over TLS', ssl: true },
    { name: 'over TLS monitor', ssl: true },
  ]);
  const former = cluster.getStatus().primary;
  await cluster.switchover();
  expect(cluster.getStatus().primary).not.toBe(former);
  await cluster.query('INSERT INTO copied VALUES (3)');
});

describe('a server is taken', () => {
  it.each<[string, Ssl, string]>([
    ['by any certificate, with require', { mode: 'require' }, '127.0.0.1'],
    ['by its authority, with verify-ca, under any name', { mode: 'verify-ca', caFile }, 'localhost'],
    ['by authority and name, with verify-full', { caFile }, '127.0.0.1'],
    ['by the name that is to be its own', { caFile, servername: 'db.internal' }, 'localhost'],
  ])('%s', async (_, ssl, host) => {
    const cluster = clusterOf(ssl, {}, nodes({ host }));
    await cluster.connect();
    const text = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
    expect((await cluster.useMaster(() => cluster.query(text))).rows).toEqual([{ ssl: true }]);
  });
});

describe('a server is refused, and the start says why', () => {
  it.each<[string, Ssl, string, RegExp]>([
    [
      'of another authority',
      { caFile: stranger.certFile },
      '127.0.0.1',
      /self-signed certificate|unable to verify/,
    ],
    ['of no authority that Node.js knows', true, '127.0.0.1', /self-signed certificate|unable to verify/],
    [
      'of another authority, with verify-ca',
      { mode: 'verify-ca', caFile: stranger.certFile },
      '127.0.0.1',
      /self-signed|unable to verify/,
    ],
    ['of another name', { caFile }, 'localhost', /does not match certificate's altnames: .*localhost/],
    [
      'of another name than it should have',
      { caFile, servername: 'other.internal' },
      '127.0.0.1',
      /other\.internal/,
    ],
  ])('%s', async (_, ssl, host, reason) => {
    const error = await clusterOf(ssl, {}, nodes({ host }))
      .connect()
      .catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: 'STARTUP_FAILED',
      nodes: [{ reason: expect.stringMatching(reason) }, {}],
    });
  });

  it('that would do without TLS has none without it', async () => {
    await expect(clusterOf(false).connect()).rejects.toThrow(
      /pg_hba.conf rejects connection .*no encryption/,
    );
  });
});

describe('a client certificate', () => {
  const withoutPassword = () => nodes({ user: 'certified', password: undefined });

  it('lets its account in without a password', async () => {
    const cluster = clusterOf({ caFile, ...certified }, {}, withoutPassword());
    await cluster.connect();
    const { rows } = await cluster.query('SELECT current_user AS account');
    expect(rows).toEqual([{ account: 'certified' }]);
    await using lease = await cluster.getMasterConnection();
    const printed = inspect(lease.client, { depth: Infinity, showHidden: true, maxStringLength: null });
    expect(printed).toContain('TLSSocket');
    expect(printed).not.toContain(PASSPHRASE);
    expect(printed).not.toContain(sure(readFileSync(client.keyFile, 'utf8').split('\n')[1]));
  });

  it.each<[string, () => Ssl, RegExp]>([
    ['that is missing', () => ({ caFile }), /requires a valid client certificate/],
    [
      'for another account',
      () => ({ caFile, ...authority.issue('somebody') }),
      /certificate authentication failed/,
    ],
    [
      'of another authority',
      () => ({ caFile, ...stranger.issue('certified') }),
      /alert|ECONNRESET|terminated/,
    ],
  ])('%s does not', async (_, ssl, reason) => {
    await expect(clusterOf(ssl(), {}, withoutPassword()).connect()).rejects.toThrow(reason);
  });
});

it('files that change serve the connections to come, without a restart', async () => {
  const changing = join(folder, 'changing.crt');
  copyFileSync(caFile, changing);
  const options = { healthCheck: { interval: '100ms' }, connectionPool: { applicationName: 'rotation' } };
  const cluster = clusterOf({ caFile: changing }, options);
  await cluster.connect();
  const reads = () => cluster.useMaster(() => cluster.query('SELECT 1 AS one'));
  const cut = () =>
    servers.primary.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rotation%'",
    );
  try {
    await showCertificate(servers, stranger.issue('db', NAMES));
    await until(
      () =>
        clusterOf({ caFile: stranger.certFile })
          .connect()
          .then(
            () => true,
            () => false,
          ),
      {
        deadlineMs: 5_000,
        what: 'the servers to show another certificate',
      },
    );
    expect((await reads()).rows).toEqual([{ one: 1 }]);
    await cut();
    const isRefused = ({ reason = '' }) => /self-signed|unable to verify|signature/.test(reason);
    await until(() => cluster.getStatus().nodes.some(isRefused), {
      deadlineMs: 5_000,
      what: 'the new certificate to be refused',
    });
    copyFileSync(stranger.certFile, changing);
    await until(
      () =>
        reads().then(
          () => true,
          () => false,
        ),
      { deadlineMs: 10_000, what: 'a connection' },
    );
  } finally {
    await showCertificate(servers, authority.issue('db', NAMES));
  }
});
