import { describe, expect, test } from 'vitest';
import { errorOf, faultsOf } from './faults-of.js';

const master = { host: 'db1', user: 'app', database: 'shop' };
const withNode = (fields: object) => ({ masters: [{ ...master, ...fields }] });
const within = (fields: object) => ({ masters: [master], ...fields });
const positive =
  "expected a duration above zero like '500ms' or '2s', or a number of seconds (24 days at most)";
const orZero = positive.replace(' above zero', '');
const port = 'expected a port from 1 to 65535';

describe('one fault, its path, and what was expected', () => {
  test.each<[string, unknown, string]>([
    ['no object', 5, ': expected an object of settings'],
    ['a list', [], ': expected an object of settings'],
    ['no masters', {}, 'masters: is missing, expected a list of nodes'],
    ['empty masters', { masters: [] }, 'masters: found an empty list, expected at least one node'],
    ['masters as an object', { masters: master }, 'masters: found an object, expected a list of nodes'],
    [
      'a node that is none',
      { masters: [5] },
      'masters[0]: found 5, expected a node: an object or a postgres:// URL',
    ],
    ['a section that is none', within({ routing: 'auto' }), 'routing: found "auto", expected an object'],
    ['a null', within({ routing: null }), 'routing: found null, expected an object'],

    ['an unknown key', within({ replica: [] }), 'replica: unknown key "replica", did you mean "replicas"?'],
    [
      'in camelCase',
      within({ conectionPool: {} }),
      'conectionPool: unknown key "conectionPool", did you mean "connectionPool"?',
    ],
    [
      'of a section',
      within({ startup: { atempts: 3 } }),
      'startup.atempts: unknown key "atempts", did you mean "attempts"?',
    ],
    [
      'like none',
      within({ shutdown: { xyz: 1 } }),
      'shutdown.xyz: unknown key "xyz" (known here: drain_timeout)',
    ],
    [
      'a misspelled needed one',
      { masters: [{ host: 'a', user: 'b', databse: 'c' }] },
      'masters[0].databse: unknown key "databse", did you mean "database"?',
    ],
    [
      'a longer name',
      { masters: [{ hostname: 'a', user: 'b', database: 'c' }] },
      'masters[0].hostname: unknown key "hostname", did you mean "host"?',
    ],
    [
      'of TLS',
      withNode({ ssl: { rejectUnauthorised: false } }),
      'masters[0].ssl.rejectUnauthorised: unknown key "rejectUnauthorised", did you mean "rejectUnauthorized"?',
    ],
    [
      'a key of Object',
      within({ constructor: 1 }),
      'constructor: unknown key "constructor" (known here: $schema, masters, replicas, ssl, connection_pool, health_check, routing, consistency, session, failover, leak_detection, startup, shutdown, monitor, failover_strategy, health_check_timeout, health_check_interval)',
    ],
    [
      'both spellings',
      within({ routing: { max_lag: 1, maxLag: 1 } }),
      'routing.maxLag: given twice, as "max_lag" and as "maxLag"; keep one',
    ],
    [
      'both, of a section',
      within({ healthCheck: {}, health_check: {} }),
      'health_check: given twice, as "health_check" and as "healthCheck"; keep one',
    ],

    [
      'a consistency',
      within({ consistency: 'none' }),
      `consistency: found "none", expected 'session', 'eventual' or 'strong'`,
    ],
    [
      'a mode of failover',
      within({ failover: { mode: 'magic' } }),
      `failover.mode: found "magic", expected 'follow', 'promote' or 'patroni'`,
    ],
    [
      'a callback in words',
      within({ failoverStrategy: { notificationCallback: 'log' } }),
      'failoverStrategy.notificationCallback: found "log", expected a function',
    ],
    [
      'a strategy that says otherwise than the mode',
      within({
        failoverStrategy: { promoteReplica: true },
        failover: { mode: 'patroni', patroni: { urls: ['http://db1:8008'] } },
      }),
      'failoverStrategy.promoteReplica: differs from failover.mode, which means the same; keep one',
    ],
    [
      'a strategy that is undecided',
      within({ failoverStrategy: { promoteReplica: 'maybe' } }),
      'failoverStrategy.promoteReplica: found "maybe", expected true or false',
    ],
    [
      'the mode patroni without an address',
      within({ failover: { mode: 'patroni' } }),
      'failover.patroni.urls: the mode patroni needs at least one',
    ],
    [
      'an address of Patroni without its scheme',
      within({ failover: { patroni: { urls: ['db1:8008'] } } }),
      `failover.patroni.urls[0]: found "db1:8008", expected a URL like 'http://db1:8008', without an account`,
    ],
    [
      "Patroni's password without its user",
      within({ failover: { patroni: { password: 'x' } } }),
      'failover.patroni.password: has no account to go with: failover.patroni.user is missing',
    ],
    ['a mode', within({ routing: { mode: 'x' } }), `routing.mode: found "x", expected 'live' or 'shadow'`],

    ['a port of 0', withNode({ port: 0 }), `masters[0].port: found 0, ${port}`],
    ['a port too high', withNode({ port: 65_536 }), `masters[0].port: found 65536, ${port}`],
    ['half a port', withNode({ port: 1.5 }), `masters[0].port: found 1.5, ${port}`],
    ['a port in words', withNode({ port: 'five' }), `masters[0].port: found "five", ${port}`],
    [
      'an empty host',
      withNode({ host: '' }),
      'masters[0].host: found an empty string, expected a host name or an address, without the port',
    ],
    [
      'host and port in one',
      withNode({ host: 'db1:5432' }),
      'masters[0].host: found "db1:5432", expected a host name or an address, without the port',
    ],
    [
      'no user',
      { masters: [{ host: 'a', database: 'b' }] },
      'masters[0].user: is missing, expected the name of an account',
    ],
    [
      'no database',
      { masters: [{ host: 'a', user: 'b' }] },
      'masters[0].database: is missing, expected the name of a database',
    ],
    [
      'a negative weight',
      withNode({ weight: -1 }),
      'masters[0].weight: found -1, expected a number of at least 0',
    ],
    [
      'a weight in words',
      withNode({ weight: 'heavy' }),
      'masters[0].weight: found "heavy", expected a number of at least 0',
    ],
    [
      'a weight that is no number',
      withNode({ weight: Number.NaN }),
      'masters[0].weight: found NaN, expected a number of at least 0',
    ],
    [
      'ssl in words',
      withNode({ ssl: 'require' }),
      'masters[0].ssl: found "require", expected true, false or an object of TLS options',
    ],
    [
      'a TLS option',
      withNode({ ssl: { rejectUnauthorized: 0 } }),
      'masters[0].ssl.rejectUnauthorized: found 0, expected true or false',
    ],
    [
      'a TLS version',
      withNode({ ssl: { minVersion: 'SSLv3' } }),
      "masters[0].ssl.minVersion: found \"SSLv3\", expected 'TLSv1', 'TLSv1.1', 'TLSv1.2' or 'TLSv1.3'",
    ],
    [
      'a TLS function',
      withNode({ ssl: { checkServerIdentity: true } }),
      'masters[0].ssl.checkServerIdentity: found true, expected a function',
    ],
    [
      'the path of a certificate',
      withNode({ ssl: { ca: '/etc/ca.pem' } }),
      `masters[0].ssl.ca: found "/etc/ca.pem", expected the PEM text itself; a path goes into ca_file`,
    ],

    [
      'a host listed twice',
      { masters: [master], replicas: [{ host: 'DB1' }] },
      'replicas[0]: the same host and port as masters[0]; list each node once',
    ],
    [
      'a name given twice',
      { masters: [{ ...master, name: 'a' }], replicas: [{ host: 'db2', name: 'a' }] },
      'replicas[0].name: masters[0] has the same name',
    ],
    [
      'the default name of another',
      { masters: [master], replicas: [{ host: 'db2', name: 'db1:5432' }] },
      'replicas[0].name: masters[0] has the same name',
    ],

    [
      'no connections',
      within({ connection_pool: { min_connections: 0, max_connections: 0 } }),
      'connection_pool.max_connections: found 0, expected a whole number of at least 1',
    ],
    [
      'a negative minimum',
      within({ connection_pool: { min_connections: -1 } }),
      'connection_pool.min_connections: found -1, expected a whole number of at least 0',
    ],
    [
      'min over max',
      within({ connection_pool: { min_connections: 6, max_connections: 5 } }),
      'connection_pool.min_connections: 6 is more than max_connections, which is 5',
    ],
    [
      'min over the default',
      within({ connectionPool: { minConnections: 11 } }),
      'connectionPool.minConnections: 11 is more than max_connections, which is 10',
    ],
    [
      'a long name',
      within({ connection_pool: { application_name: 'é'.repeat(32) } }),
      `connection_pool.application_name: found "${'é'.repeat(32)}", expected a name of at most 63 bytes`,
    ],
    [
      'a duration without its unit',
      within({ startup: { delay: 'soon' } }),
      `startup.delay: found "soon", ${orZero}`,
    ],
    ['a negative duration', within({ startup: { delay: -1 } }), `startup.delay: found -1, ${orZero}`],
    [
      'a negative duration in text',
      within({ startup: { delay: '-1' } }),
      `startup.delay: found "-1", ${orZero}`,
    ],
    [
      'a duration no timer can hold',
      within({ connection_pool: { max_lifetime: '25d' } }),
      `connection_pool.max_lifetime: found "25d", ${positive}`,
    ],
    [
      'a duration of another type',
      within({ startup: { delay: true } }),
      `startup.delay: found true, ${orZero}`,
    ],
    [
      'a size',
      within({ routing: { max_lag_bytes: '16 cats' } }),
      'routing.max_lag_bytes: found "16 cats", expected a size like \'16MiB\' or a number of bytes',
    ],
    [
      'a choice',
      within({ routing: { default: 'replica' } }),
      "routing.default: found \"replica\", expected 'auto' or 'primary'",
    ],
    [
      'no attempts',
      within({ startup: { attempts: 0 } }),
      'startup.attempts: found 0, expected a whole number of at least 1',
    ],
    [
      'a monitor without a user',
      within({ monitor: { password: 'x' } }),
      'monitor.password: has no account to go with: monitor.user is missing',
    ],
    [
      'keywords that differ',
      within({ healthCheckTimeout: 5, healthCheck: { timeout: 6 } }),
      'healthCheckTimeout: differs from healthCheck.timeout, which means the same; keep one',
    ],
    [
      'a keyword that is wrong',
      within({ healthCheckInterval: 'often' }),
      `healthCheckInterval: found "often", ${positive}`,
    ],
  ])('%s', (_, config, fault) => {
    expect(faultsOf(config)).toEqual([fault]);
  });

  test.each([
    'connection_pool.idle_timeout',
    'connection_pool.max_lifetime',
    'connection_pool.acquire_timeout',
    'connection_pool.connection_timeout',
    'connection_pool.keepalive_interval',
    'health_check.interval',
    'health_check.timeout',
  ])('%s of zero', (path) => {
    const [section = '', key = ''] = path.split('.');
    expect(faultsOf(within({ [section]: { [key]: 0 } }))).toEqual([`${path}: found 0, ${positive}`]);
  });

  test('keywords that agree are none', () => {
    const config = within({ healthCheckTimeout: 5, healthCheck: { timeout: '5s' } });
    expect(() => faultsOf(config)).toThrow('was accepted');
  });
});

test('all faults come at once', () => {
  const config = {
    masters: [{ ...master, port: 0 }, '${NOWHERE}', { ...master, host: 'db2', prot: 1 }],
    replicas: ['postgres://u:p@db3?sslmode=maybe', { host: 'db2' }],
    connection_pool: { min_connections: 20, idle_timeout: '${IDLE}', max_lifetime: 0 },
    routing: { mode: 'auto' },
  };
  expect(faultsOf(config, { healthCheck: { interval: 0 } })).toEqual([
    'masters[2].prot: unknown key "prot", did you mean "port"?',
    'masters[1]: the environment variable NOWHERE is not set',
    'connection_pool.idle_timeout: the environment variable IDLE is not set',
    'replicas[0]: the sslmode is not known, expected disable, require, verify-ca, verify-full or no-verify',
    `masters[0].port: found 0, ${port}`,
    `connection_pool.max_lifetime: found 0, ${positive}`,
    `healthCheck.interval: found 0, ${positive}`,
    `routing.mode: found "auto", expected 'live' or 'shadow'`,
    'connection_pool.min_connections: 20 is more than max_connections, which is 10',
  ]);
});

test.each([
  [{ port: '${PORT}' }, 'masters[0].port: found the value of "${PORT}", expected a port from 1 to 65535'],
  [
    { ssl: { rejectUnauthorized: 'x${PORT}' } },
    'masters[0].ssl.rejectUnauthorized: found the value of "x${PORT}", expected true or false',
  ],
])('a variable with the wrong value is named, its value is not: %j', (fields, fault) => {
  expect(faultsOf(withNode(fields), {}, { PORT: 'five' })).toEqual([fault]);
});

test.each(['db1,db2', 'db 1', 'db1/shop', 'db1:5432'])('%s is no host', (host) => {
  expect(faultsOf(withNode({ host }))).toEqual([
    `masters[0].host: found "${host}", expected a host name or an address, without the port`,
  ]);
});

test.each(['db1', 'db1.internal', '10.0.0.1', '::1', 'fe80::1%eth0', '/var/run/postgresql'])(
  '%s is a host',
  (host) => {
    expect(() => faultsOf(withNode({ host }))).toThrow('was accepted');
  },
);

test('a fault of the options over a file says so', () => {
  const options = { healthCheck: { interval: 0 }, routnig: {} };
  expect(faultsOf('config/db_cluster.json', options, { DB_PASSWORD: 'x' })).toEqual([
    'routnig: unknown key "routnig", did you mean "routing"? (in the options)',
    `healthCheck.interval: found 0, ${positive} (in the options)`,
  ]);
});

test('a default does not stand in for a value that has a fault', () => {
  const pool = { min_connections: 20, max_connections: '${MAX}' };
  expect(faultsOf(within({ connection_pool: pool }))).toEqual([
    'connection_pool.max_connections: the environment variable MAX is not set',
  ]);
});

test('the error names the source and every fault', () => {
  const error = errorOf('config/db_cluster.json');
  expect(error).toMatchObject({ name: 'ConfigError', code: 'CONFIG_INVALID', safeToRetry: false });
  expect(error.message).toBe(
    [
      "config/db_cluster.json can't be used:",
      ...['masters[0]', 'replicas[0]', 'replicas[1]'].map(
        (node) => `  - ${node}.password: the environment variable DB_PASSWORD is not set`,
      ),
    ].join('\n'),
  );
});

describe('no message shows a secret', () => {
  const secret = 'hunter2';
  test.each<[string, unknown]>([
    ['a password of the wrong type', withNode({ password: [secret] })],
    ['a key that is no PEM', withNode({ ssl: { key: secret } })],
    ['a passphrase of the wrong type', withNode({ ssl: { passphrase: { secret } } })],
    ['a variable in the wrong place', withNode({ port: '${SECRET}' })],
    ['in a choice', within({ routing: { balance: 'x${SECRET}' } })],
    ['as host and port', withNode({ host: 'a${SECRET}:5' })],
    [
      'as the names of two nodes',
      { masters: [{ ...master, name: '${SECRET}' }], replicas: [{ host: 'b', name: '${SECRET}' }] },
    ],
    [
      'as the hosts of two nodes',
      { masters: [{ ...master, host: '${SECRET}' }], replicas: [{ host: '${SECRET}' }] },
    ],
    ['a URL that is none', { masters: [`postgrse://app:${secret}@db1/shop`] }],
    ['a URL with a bare /', { masters: [`postgres://app:${secret}/x@db1/shop`] }],
    ['a URL with a bare ?', { masters: [`postgres://app:x?${secret}@db1/shop`] }],
    ['a URL with a bare @ and ?', { masters: [`postgres://app:x@y?${secret}@db1/shop`] }],
    ['a URL with a bare %', { masters: [`postgres://app:%zz${secret}@db1/shop`] }],
    ['a URL without a user', { masters: [`postgres://db1:${secret}`] }],
    ['a URL as the list', { masters: `postgres://app:${secret}@db1` }],
    ['a URL as the host', withNode({ host: `postgres://app:${secret}@db1` })],
    ['a URL with a variable, as the host', withNode({ host: `postgres://app:${secret}@\${SECRET}` })],
    ['a URL as a section', within({ monitor: `postgres://app:${secret}@db1` })],
    [
      'a URL of Patroni with an account',
      within({ failover: { patroni: { urls: [`http://app:${secret}@db1`] } } }),
    ],
    ['a broken ${', withNode({ password: `\${${secret}` })],
    ['an odd ${}', withNode({ password: `\${${secret}?}` })],
    ['an encrypted value', withNode({ password: `\${enc:${secret}}` })],
    ['a URL out of a variable', { masters: ['${SECRET}'] }],
  ])('%s', (_, config) => {
    expect(errorOf(config, {}, { SECRET: secret }).message).not.toContain(secret);
  });
});
