import { describe, expect, test } from 'vitest';
import { type ClusterConfig, type ClusterOptions, loadSettings } from '../../lib/config/index.js';
import { revealed } from './revealed.js';

const master = { host: 'db1', user: 'app', password: 'secret', database: 'shop' };
const cluster: ClusterConfig = { masters: [master], replicas: [{ host: 'db2' }] };

test("the original's file loads unchanged", () => {
  const settings = loadSettings('config/db_cluster.json', {}, { DB_PASSWORD: 'secret' });
  expect(settings.source).toBe('config/db_cluster.json');
  expect(settings.pool).toMatchObject({ minConnections: 3, maxConnections: 15, idleTimeoutMs: 180_000 });
  const accounts = {
    primary: { user: 'app_user', password: 'secret' },
    replica: { user: 'app_ro_user', password: 'secret' },
  };
  expect(revealed(settings.nodes)).toEqual(
    [5432, 5433, 5434].map((port) => ({
      name: `127.0.0.1:${port}`,
      host: '127.0.0.1',
      port,
      database: 'app_db',
      configuredRole: port === 5432 ? 'primary' : 'replica',
      accounts,
      ssl: false,
      weight: 1,
    })),
  );
});

test('what is not given has a default', () => {
  const account = { user: 'app', password: 'secret' };
  const node = {
    port: 5432,
    database: 'shop',
    accounts: { primary: account, replica: account },
    ssl: false,
    weight: 1,
  };
  expect(revealed(loadSettings(cluster))).toEqual({
    source: 'the given options',
    nodes: [
      { ...node, name: 'db1:5432', host: 'db1', configuredRole: 'primary' },
      { ...node, name: 'db2:5432', host: 'db2', configuredRole: 'replica' },
    ],
    monitor: {},
    pool: {
      minConnections: 1,
      maxConnections: 10,
      idleTimeoutMs: 60_000,
      maxLifetimeMs: 1_800_000,
      acquireTimeoutMs: 5_000,
      connectionTimeoutMs: 5_000,
      keepaliveIntervalMs: 30_000,
      applicationName: 'nestjs-pg-mcp',
      prepare: true,
      statementTimeoutMs: 0,
    },
    leakDetection: { thresholdMs: 0, action: 'report' },
    healthCheck: { intervalMs: 1_000, timeoutMs: 2_000 },
    routing: {
      default: 'auto',
      mode: 'live',
      safeFunctions: [],
      maxLagMs: 10_000,
      maxLagBytes: 16 * 1024 ** 2,
      balance: 'least-loaded',
      slowStartMs: 10_000,
    },
    consistency: 'session',
    session: { header: 'x-pg-session', cookie: 'pg_session' },
    failover: {
      mode: 'follow',
      maxRetryAttempts: 3,
      retryDelayMs: 250,
      maxDataLossBytes: 16 * 1024 ** 2,
      withoutQuorum: false,
      maxWaitingCalls: 1_000,
      patroni: { urls: [], ssl: { mode: 'verify-full' }, timeoutMs: 2_000 },
    },
    startup: { attempts: 3, delayMs: 1_000 },
    shutdown: { drainTimeoutMs: 25_000 },
  });
});

test('either spelling is read, at every level', () => {
  const spelled = (snake: ClusterConfig, camel: ClusterConfig) =>
    expect(revealed(loadSettings(snake))).toEqual(revealed(loadSettings(camel)));
  spelled(
    { ...cluster, connection_pool: { min_connections: 2, application_name: 'shop' } },
    { ...cluster, connectionPool: { minConnections: 2, applicationName: 'shop' } },
  );
  spelled(
    { masters: [{ ...master, ssl: { reject_unauthorized: false } }] },
    { masters: [{ ...master, ssl: { rejectUnauthorized: false } }] },
  );
});

describe('options go over the configuration', () => {
  const below: ClusterConfig = {
    ...cluster,
    health_check: { interval: 30, timeout: 5 },
    routing: { balance: 'random' },
  };
  test.each<[string, ClusterOptions, object]>([
    [
      'a section is merged',
      { healthCheck: { interval: '250ms' } },
      { healthCheck: { intervalMs: 250, timeoutMs: 5_000 } },
    ],
    [
      'in either spelling',
      { health_check: { interval: 2 } },
      { healthCheck: { intervalMs: 2_000, timeoutMs: 5_000 } },
    ],
    [
      'undefined leaves it',
      { healthCheck: { interval: undefined } },
      { healthCheck: { intervalMs: 30_000 } },
    ],
    [
      'a keyword of the original counts seconds',
      { healthCheckTimeout: 3 },
      { healthCheck: { intervalMs: 30_000, timeoutMs: 3_000 } },
    ],
    [
      "the original's strategy",
      { failoverStrategy: { checkInterval: 10, maxRetryAttempts: 4, retryDelay: 1, promoteReplica: true } },
      {
        healthCheck: { intervalMs: 10_000 },
        failover: { mode: 'promote', withoutQuorum: true, maxRetryAttempts: 4, retryDelayMs: 1_000 },
      },
    ],
    [
      'a strategy that does not promote',
      { failover_strategy: { promote_replica: false } },
      { failover: { mode: 'follow', withoutQuorum: false } },
    ],
    [
      'both keywords',
      { healthCheckTimeout: 3, healthCheckInterval: 7 },
      { healthCheck: { intervalMs: 7_000, timeoutMs: 3_000 } },
    ],
    ['a list is replaced', { replicas: [{ host: 'db3' }] }, { nodes: [{ host: 'db1' }, { host: 'db3' }] }],
    ['an empty list too', { replicas: [] }, { nodes: [{ host: 'db1' }] }],
  ])('%s', (_, options, expected) => {
    expect(loadSettings(below, options)).toMatchObject(expected);
  });

  test('what they replace needs no variables', () => {
    const options: ClusterOptions = { masters: [master], replicas: [] };
    expect(loadSettings('config/db_cluster.json', options, {}).nodes).toHaveLength(1);
  });

  test('nothing given is changed', () => {
    const config = { ...cluster, healthCheckTimeout: 5 };
    const before = structuredClone(config);
    loadSettings(config, { connectionPool: { minConnections: 2 } });
    expect(config).toEqual(before);
  });
});

describe('accounts follow the role', () => {
  const app = { user: 'app', password: 'secret' };
  const reader = { user: 'reader', password: 'readers' };
  const accountsOf = (config: ClusterConfig) =>
    loadSettings(config).nodes.map(({ accounts: { primary, replica } }) => revealed({ primary, replica }));

  test("each list's first account serves its role on the nodes of the other list", () => {
    const second = { user: 'other', password: 'others' };
    const masters = [master, { ...master, host: 'db4', ...second }];
    const replicas = [
      { host: 'db2', ...reader },
      { host: 'db3', ...second },
    ];
    expect(accountsOf({ masters, replicas })).toEqual([
      { primary: app, replica: reader },
      { primary: second, replica: reader },
      { primary: app, replica: reader },
      { primary: app, replica: second },
    ]);
  });

  test('without replicas the master has one account', () => {
    expect(accountsOf({ masters: [master] })).toEqual([{ primary: app, replica: app }]);
  });

  test("a replica's own user does not get the master's password", () => {
    expect(accountsOf({ masters: [master], replicas: [{ host: 'db2', user: 'reader' }] })[1]).toEqual({
      primary: app,
      replica: { user: 'reader' },
    });
  });

  test.each([
    ['the user left out', {}, app],
    ['only a password', { password: 'new' }, { user: 'app', password: 'new' }],
    ['the same user again', { user: 'app' }, app],
  ])('a replica with %s', (_, given, replica) => {
    expect(accountsOf({ masters: [master], replicas: [{ host: 'db2', ...given }] })[1]).toEqual({
      primary: app,
      replica,
    });
  });

  test('a password may be a function', () => {
    const password = async () => Promise.resolve('token');
    const [node] = loadSettings({ masters: [{ ...master, password }] }).nodes;
    expect(node?.accounts).toEqual({
      primary: { user: 'app', password },
      replica: { user: 'app', password },
    });
  });
});

test('a node carries what is its own', () => {
  const config: ClusterConfig = {
    masters: [{ ...master, name: 'one', zone: 'a', weight: 2.5, ssl: { mode: 'verify-ca' } }],
    replicas: [{ host: '::1', database: 'copy', ssl: true }],
  };
  expect(loadSettings(config).nodes).toMatchObject([
    { name: 'one', zone: 'a', weight: 2.5, ssl: { mode: 'verify-ca' } },
    { name: '[::1]:5432', database: 'copy', ssl: { mode: 'verify-full' } },
  ]);
});

test.each([
  [{ user: 'watch', password: 'dog' }, { account: { user: 'watch', password: 'dog' } }],
  [
    { user: 'watch', database: 'postgres' },
    { account: { user: 'watch' }, database: 'postgres' },
  ],
  [{ database: 'postgres' }, { database: 'postgres' }],
])('the monitor %j', (monitor, expected) => {
  expect(revealed(loadSettings({ ...cluster, monitor }).monitor)).toEqual(expected);
});

test('text from the environment becomes what the setting needs', () => {
  const environment = {
    PORT: '6432',
    MAX: ' 20\n',
    IDLE: '90',
    LAG: '1048576',
    TLS: 'true',
    WEIGHT: '0.5',
    BALANCE: 'random',
    ZONE: 'eu-1a',
  };
  const config: ClusterConfig = {
    masters: [{ ...master, port: '${PORT}', weight: '${WEIGHT}', ssl: '${TLS}' }],
    connectionPool: { maxConnections: '${MAX}', idleTimeout: '${IDLE}' },
    routing: { maxLagBytes: '${LAG}', balance: '${BALANCE}', zone: '${ZONE}' },
  };
  expect(loadSettings(config, {}, environment)).toMatchObject({
    nodes: [{ port: 6432, weight: 0.5, ssl: { mode: 'verify-full' } }],
    pool: { maxConnections: 20, idleTimeoutMs: 90_000 },
    routing: { maxLagBytes: 1_048_576, balance: 'random', zone: 'eu-1a' },
  });
});

test('zero is a duration where it has a meaning', () => {
  const config: ClusterConfig = {
    ...cluster,
    startup: { delay: 0 },
    shutdown: { drain_timeout: 0 },
    routing: { max_lag: 0, slow_start: '0s' },
  };
  expect(loadSettings(config)).toMatchObject({
    startup: { delayMs: 0 },
    shutdown: { drainTimeoutMs: 0 },
    routing: { maxLagMs: 0, slowStartMs: 0 },
  });
});
