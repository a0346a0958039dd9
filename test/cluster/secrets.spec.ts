import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Module, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { encryptSecret, loadSettings, PgCluster, PgMcpModule, type PgMcpModuleOptions } from 'nestjs-pg-mcp';
import { PgMcpHealthIndicator, PgMcpHealthModule } from 'nestjs-pg-mcp/health';
import { PgMcpMetricsModule } from 'nestjs-pg-mcp/metrics';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { register } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Authority } from '../support/authority.js';
import { Spill } from '../support/spill.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'pg-mcp-secrets-'));
const authority = new Authority(folder, 'authority');
const secrets: Record<string, string> = {
  primary: 'canary/of@the:primary',
  replica: 'canary?of%the#replica',
  monitor: 'canary of the monitor',
  wrong: 'canary that is wrong',
  key: 'canary of encryption',
  session: 'canary of the sessions',
  patroni: 'canary of Patroni',
  passphrase: 'canary of the key file',
};
const client = authority.issue('app_user', { passphrase: sure(secrets['passphrase']) });
const open = authority.issue('app_user');
secrets['private key'] = sure(readFileSync(open.keyFile, 'utf8').split('\n')[1]);

let servers: EmbeddedCluster;
let spill: Spill;
const clusters: PgCluster[] = [];

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 1 });
  const { masters, replicas, monitor } = servers.config;
  const passwords = { primary: masters[0], replica: replicas[0], monitor };
  for (const [name, account] of Object.entries(passwords))
    await servers.primary.query(`ALTER ROLE ${sure(account).user} PASSWORD '${sure(secrets[name])}'`);
  const { rows } = await sure(servers.replicas[0]).query<{ conninfo: string }>(
    "SELECT current_setting('primary_conninfo') AS conninfo",
  );
  secrets['replication'] = sure(/password=(\w+)/.exec(sure(rows[0]).conninfo)?.[1]);
});
beforeEach(() => {
  vi.stubEnv('PG_MCP_SECRET_KEY', sure(secrets['key']));
  vi.stubEnv('PG_MCP_SESSION_SECRET', sure(secrets['session']));
  spill = new Spill();
});
afterEach(async () => {
  await Promise.all(clusters.splice(0).map((cluster) => cluster.close()));
  spill[Symbol.dispose]();
  vi.unstubAllEnvs();
  register.clear();
});
afterAll(async () => {
  await servers.stop();
  rmSync(folder, { recursive: true });
});

/** A file with each secret in another way: plain, in a URL, encrypted. */
function configFile(change: { replicaPassword?: string } = {}): string {
  const { masters, replicas, monitor } = servers.config;
  const { user, host, port, database, name } = sure(replicas[0]);
  const password = encodeURIComponent(change.replicaPassword ?? sure(secrets['replica']));
  const config = {
    masters: masters.map((node) => ({ ...node, password: secrets['primary'] })),
    replicas: [`postgres://${user}:${password}@${host}:${port}/${database}?name=${name}`],
    monitor: { user: monitor.user, password: encryptSecret(sure(secrets['monitor']), sure(secrets['key'])) },
    failover: { patroni: { user: 'operator', password: secrets['patroni'] } },
    startup: { attempts: 1 },
    health_check: { interval: '100ms' },
    connection_pool: { acquire_timeout: '1s' },
  };
  const path = join(folder, 'db_cluster.json');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

function clusterOf(...args: Parameters<typeof PgCluster.fromConfig>): PgCluster {
  const cluster = PgCluster.fromConfig(...args);
  clusters.push(cluster);
  for (const event of ['topology', 'failover', 'leak'] as const)
    cluster.on(event, (told: unknown) => spill.value(`the event ${event}`, told));
  cluster.observe({
    queryEnded: (told) => spill.value('queryEnded', told),
    acquired: (told) => spill.value('acquired', told),
    failoverEnded: (told) => spill.value('failoverEnded', told),
  });
  return cluster;
}

function showAll(cluster: PgCluster): void {
  spill.value('the cluster', cluster);
  spill.value('its pool', cluster.pool);
  spill.value('its session', cluster.session);
  spill.value('its status', cluster.getStatus());
  spill.value('its counters', cluster.getCounters());
  spill.value('its shadow report', cluster.getShadowReport());
}

/** Something came out, and none of it is a secret. */
function expectNoLeaks(): void {
  expect(spill.length).toBeGreaterThan(500);
  expect(spill.leaks(secrets)).toEqual([]);
}

it('the search finds what is printed, in each form', () => {
  for (const [name, secret] of Object.entries(secrets)) {
    const hidden = Object.defineProperty({}, 'secret', { value: secret, enumerable: false });
    spill.value(name, hidden);
    spill.text(name, `/${encodeURIComponent(secret)}/`);
    spill.text(name, Buffer.from(`operator:${secret}`).toString('base64'));
    console.warn(new Error('outer', { cause: new Error(secret) }));
  }
  const found = spill.leaks(secrets);
  for (const name of Object.keys(secrets)) {
    expect(found.filter((leak) => leak === `${name} in ${name}`)).toHaveLength(2);
    expect(found).toContain(`${name} in ${name}, inspected`);
    expect(found).toContain(`${name} in console.warn, inspected`);
  }
});

it('nothing of a cluster at work shows one', async () => {
  const cluster = clusterOf(configFile(), { leakDetection: { threshold: '50ms' } });
  const held: string[] = [];
  cluster.on('leak', ({ node }) => held.push(node));
  await cluster.connect();
  await cluster.query('CREATE TABLE told (id int PRIMARY KEY)');
  await cluster.query('INSERT INTO told VALUES ($1)', [1]);
  await spill.failure('a failing query', cluster.query('INSERT INTO told VALUES (1)'));
  await spill.failure(
    'a failing read',
    cluster.useReplica(() => cluster.query('SELECT 1 / 0')),
  );
  await spill.failure(
    'a refused write',
    cluster.useReplica(() => cluster.query('DELETE FROM told')),
  );
  await spill.failure('bad rows', cluster.copyFrom('told', { columns: ['id'] }, [['x']]));
  spill.value('a token', await cluster.session.token());
  spill.value('a route', await cluster.explainRoute('SELECT * FROM told'));
  spill.value('the health', await cluster.healthCheck());
  spill.value('the checklist', await cluster.doctor());
  const leases = [await cluster.getMasterConnection(), await cluster.getReplicaConnection()];
  await until(() => held.length === leases.length, { deadlineMs: 5_000, what: 'the leases to be told of' });
  for (const lease of leases) {
    spill.value('a lease', lease);
    spill.value('its client', lease.client);
    await lease.release();
  }
  const late = await cluster.pool.connect();
  spill.value("an ORM's client", late);
  late.release();
  showAll(cluster);
  expectNoLeaks();
});

describe('no failure shows one:', () => {
  it.each<[string, () => PgCluster]>([
    ['a wrong password', () => clusterOf(configFile(), wrongMasters())],
    ['nobody there', () => clusterOf(configFile(), wrongMasters({ port: 1 }))],
    ['an unknown host', () => clusterOf(configFile(), wrongMasters({ host: 'nowhere.invalid' }))],
    [
      'TLS that the server has not, with a locked key',
      () =>
        clusterOf(configFile(), {
          ssl: { ...client, passphrase: sure(secrets['passphrase']), caFile: authority.certFile },
        }),
    ],
    [
      'the same with a key in the settings',
      () =>
        clusterOf(configFile(), {
          ssl: { cert: readFileSync(open.certFile), key: readFileSync(open.keyFile, 'utf8') },
        }),
    ],
    [
      'a password function that fails',
      () => clusterOf(configFile(), wrongMasters({ password: () => Promise.reject(new Error('no token')) })),
    ],
  ])('%s', async (_, make) => {
    const cluster = make();
    await spill.failure('connect', cluster.connect());
    await spill.failure('a query', cluster.query('SELECT 1'));
    showAll(cluster);
    expectNoLeaks();
  });

  function wrongMasters(change: object = {}) {
    const [master] = servers.config.masters;
    return { masters: [{ ...sure(master), password: sure(secrets['wrong']), ...change }], monitor: {} };
  }

  it('a replica that refuses its password, and a primary that dies', async () => {
    const cluster = clusterOf(configFile({ replicaPassword: sure(secrets['wrong']) }));
    await cluster.connect();
    await spill.failure(
      'a read',
      cluster.useReplica({ onUnavailable: 'fail' }, () => cluster.query('SELECT 1')),
    );
    await servers.primary.kill();
    await until(() => cluster.getStatus().primary === undefined, { deadlineMs: 10_000, what: 'the loss' });
    await spill.failure('a write', cluster.query('CREATE TABLE never (id int)'));
    spill.value('the health', await cluster.healthCheck());
    showAll(cluster);
    await servers.primary.start();
    expectNoLeaks();
  });

  it('a Patroni that refuses its account', async () => {
    const refusing = createServer(({ headers }, response) => {
      response.writeHead(401).end(headers.authorization === undefined ? 'no account' : 'not that account');
    });
    await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`;
    const cluster = clusterOf(configFile(), { failover: { mode: 'patroni', patroni: { urls: [url] } } });
    await cluster.connect();
    await spill.failure('a switchover', cluster.switchover());
    showAll(cluster);
    refusing.close();
    expectNoLeaks();
  });
});

it('a switchover, which hands the replication account on, tells none', async () => {
  const cluster = clusterOf(configFile());
  await cluster.connect();
  await until(() => cluster.getStatus().nodes.every(({ health }) => health === 'up'), {
    deadlineMs: 10_000,
    what: 'every node up',
  });
  await cluster.switchover();
  showAll(cluster);
  expectNoLeaks();
});

describe('no fault of a configuration shows one:', () => {
  const sealed = () => encryptSecret(sure(secrets['primary']), 'another key of encryption');
  it.each<[string, () => unknown]>([
    [
      'a value of another key',
      () => ({ masters: [{ host: 'a', user: 'b', database: 'c', password: sealed() }] }),
    ],
    [
      'a wrong passphrase',
      () => ({ masters: ['postgres://a@b/c'], ssl: { ...client, passphrase: secrets['wrong'] } }),
    ],
    [
      'a URL with a fault',
      () => ({ masters: [`postgres://a:${encodeURIComponent(sure(secrets['primary']))}@b:x/c`] }),
    ],
    ['a password in a wrong place', () => ({ masters: [{ host: 'a', port: `\${PG_MCP_SECRET_KEY}` }] })],
  ])('%s', (_, config) => {
    try {
      loadSettings(config() as object as { masters: [] });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      spill.value('the error', error);
    }
    expectNoLeaks();
  });

  it('and settings that are right show none', () => {
    const { passphrase } = secrets;
    const ssl = { ...client, passphrase: sure(passphrase), caFile: authority.certFile };
    spill.value('the settings', loadSettings(configFile(), { ssl }));
    const [key, cert] = [open.keyFile, open.certFile].map((file) => readFileSync(file, 'utf8'));
    const settings = loadSettings(configFile(), { ssl: { key, cert } });
    spill.value('the settings', settings);
    spill.value('the options of TLS', settings.nodes[0]?.ssl && settings.nodes[0].ssl.options());
    expectNoLeaks();
  });
});

describe('Nest', () => {
  const logger: LoggerService = Object.fromEntries(
    ['log', 'error', 'warn', 'debug', 'verbose', 'fatal'].map((level) => [
      level,
      (...told: unknown[]) => spill.value(`the log, ${level}`, told),
    ]),
  ) as unknown as LoggerService;

  function moduleOf(options: PgMcpModuleOptions) {
    @Module({
      imports: [
        PgMcpModule.forRoot(options),
        PgMcpHealthModule,
        PrometheusModule.register({ defaultMetrics: { enabled: false } }),
        PgMcpMetricsModule,
      ],
    })
    class AppModule {}
    return NestFactory.create(AppModule, { logger, abortOnError: false });
  }

  it('starts, and its pages show none', async () => {
    const app = await moduleOf({ config: configFile() });
    await app.init();
    spill.value('the health page', await app.get(PgMcpHealthIndicator).isHealthy('database'));
    spill.text('the metrics', await register.metrics());
    showAll(app.get(PgCluster));
    await app.close();
    expectNoLeaks();
  });

  it('does not start, and says why without one', async () => {
    const [master] = servers.config.masters;
    const masters = [{ ...sure(master), password: sure(secrets['wrong']) }];
    await spill.failure('the start', moduleOf({ config: configFile(), masters, monitor: {} }));
    await spill.failure('the start', moduleOf({ masters, routing: { maxLag: 'soon' } }));
    expectNoLeaks();
  });
});
