import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import { ManualClock } from 'nestjs-pg-mcp/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { Tls } from '../../lib/config/tls.js';
import { ConnectionLostError } from '../../lib/errors.js';
import type { ConnectOptions, DriverConnection } from '../../lib/pool/driver.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import { PooledConnection } from '../../lib/pool/pooled-connection.js';
import { queryOnce } from '../../lib/testing/superuser.js';
import { Authority } from '../support/authority.js';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { directOptions } from '../support/direct-options.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const soon = (what: string) => ({ deadlineMs: 5_000, what });

let database: FreshDatabase;
let options: ConnectOptions;
const unheard: unknown[] = [];
const hear = (error: unknown) => void unheard.push(error);
const opened: DriverConnection[] = [];

beforeAll(async () => {
  process.on('uncaughtExceptionMonitor', hear);
  process.on('unhandledRejection', hear);
  database = await freshDatabase();
  options = directOptions(database, 'driver test');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(opened.splice(0).map((connection) => connection.end()));
});

afterAll(() => {
  process.off('uncaughtExceptionMonitor', hear);
  process.off('unhandledRejection', hear);
  expect(unheard).toEqual([]);
});

async function open(changes: Partial<ConnectOptions> = {}): Promise<DriverConnection> {
  const connection = await pgDriver.connect({ ...options, ...changes }, systemClock);
  opened.push(connection);
  return connection;
}

function heard(connection: DriverConnection) {
  const events: string[] = [];
  connection.listen({
    lost: (cause) => events.push(`lost: ${cause.message}`),
    role: (standby) => events.push(`standby: ${standby}`),
  });
  return events;
}

async function valueOf(connection: DriverConnection, text: string): Promise<unknown> {
  const { rows } = await connection.query<{ value: unknown }>(text);
  return rows[0]?.value;
}

/** A server of the test's own; `greet` gets each socket. */
async function serve(greet: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    greet(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

describe('connecting', () => {
  test('to a server that accepts and says nothing ends at the timeout, and leaves no socket', async () => {
    await using silent = await serve((socket) => void socket.resume());
    const clock = new ManualClock();
    const connecting = pgDriver.connect({ ...options, port: silent.port }, clock);
    const outcome = expect(connecting).rejects.toThrow('no connection within 5000 ms');
    await until(() => silent.sockets.size === 1, soon('the connection to arrive'));
    await clock.advance(5_000);
    await outcome;
    await until(() => silent.sockets.size === 0, soon('the socket to go'));
    expect(clock.pending).toBe(0);
  });

  test('is given up by the signal, with its reason, before it begins or under way', async () => {
    await using silent = await serve((socket) => void socket.resume());
    const reason = new Error('the pool closes');
    const to = { ...options, port: silent.port };
    await expect(pgDriver.connect(to, systemClock, AbortSignal.abort(reason))).rejects.toBe(reason);
    const stopping = new AbortController();
    const connecting = pgDriver.connect(to, systemClock, stopping.signal);
    const outcome = expect(connecting).rejects.toBe(reason);
    await until(() => silent.sockets.size === 1, soon('the connection to arrive'));
    stopping.abort(reason);
    await outcome;
    await until(() => silent.sockets.size === 0, soon('the socket to go'));
  });

  test.each<[string, Partial<ConnectOptions>, object]>([
    ['a wrong password', { password: 'wrong' }, { code: '28P01' }],
    ['no password', { password: undefined as unknown as string }, { message: /password/ }],
    ['an unknown database', { database: 'nowhere' }, { code: '3D000' }],
    ['an unknown host', { host: 'nowhere.invalid' }, { code: /ENOTFOUND|EAI_AGAIN/ }],
    ['a port where nobody listens', { port: 1 }, { code: 'ECONNREFUSED' }],
    [
      'TLS, which the server has not',
      { ssl: new Tls() },
      { message: 'The server does not support SSL connections' },
    ],
  ])('with %s is refused with the cause as it was given', async (_, changes, error) => {
    const matching = Object.fromEntries(
      Object.entries(error).map(([key, value]) => [
        key,
        value instanceof RegExp ? expect.stringMatching(value) : value,
      ]),
    );
    await expect(open(changes)).rejects.toMatchObject(matching);
  });

  test('with a server that hangs up at once is refused', async () => {
    await using rude = await serve((socket) => socket.destroy());
    await expect(open({ port: rude.port })).rejects.toThrow(/terminated|ECONNRESET/);
  });
});

describe('the password function', () => {
  test.each([
    ['at once', () => () => options.password as string],
    ['later', () => async () => options.password as string],
  ])('may answer %s, and is called for each connection', async (_, make) => {
    const password = vi.fn(make());
    await open({ password });
    const { client } = await open({ password });
    expect(password).toHaveBeenCalledTimes(2);
    expect(inspect(client, { depth: Infinity, showHidden: true })).not.toContain(options.password);
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('no token today');
      },
      /no token today/,
    ],
    ['rejects', () => Promise.reject(new Error('no token today')), /no token today/],
    ['gives a number', () => 42, /must be a string/],
    ['gives nothing', () => undefined, /must be a string/],
  ])('that %s refuses the connection', async (_, password, message) => {
    await expect(open({ password: password as () => string })).rejects.toThrow(message);
  });

  test('that gave a password which the server refuses is told so, and of nothing else', async () => {
    const of = (password: string) => Object.assign(() => password, { forget: vi.fn() });
    const [right, wrong] = [of(options.password as string), of('wrong')];
    await expect(open({ password: wrong })).rejects.toMatchObject({ code: '28P01' });
    expect(wrong.forget).toHaveBeenCalledTimes(1);
    await expect(open({ password: right, database: 'nowhere' })).rejects.toMatchObject({ code: '3D000' });
    await open({ password: right });
    expect(right.forget).not.toHaveBeenCalled();
  });

  test('that takes too long is not waited for, and what it says then is not heard', async () => {
    const clock = new ManualClock();
    let answer: (error: Error) => void = () => {};
    const asked = vi.fn(() => new Promise<string>((_, reject) => (answer = reject)));
    const connecting = pgDriver.connect({ ...options, password: asked }, clock);
    const outcome = expect(connecting).rejects.toThrow('no connection within 5000 ms');
    await until(() => asked.mock.calls.length === 1, soon('the password to be asked for'));
    await clock.advance(5_000);
    await outcome;
    answer(new Error('too late'));
  });
});

describe('the environment', () => {
  test('does not leak in', async () => {
    const foreign = {
      PGPASSWORD: 'foreign',
      PGOPTIONS: '-c search_path=foreign',
      PGUSER: 'foreign',
      PGDATABASE: 'foreign',
      PGHOST: 'foreign.invalid',
      PGPORT: '1',
      PGAPPNAME: 'foreign',
      PGSSLMODE: 'require',
      PGSSLNEGOTIATION: 'direct',
      PGREPLICATION: 'database',
    };
    for (const [name, value] of Object.entries(foreign)) vi.stubEnv(name, value);
    const connection = await open();
    expect(await valueOf(connection, `SELECT current_setting('search_path') AS value`)).toBe(
      '"$user", public',
    );
    expect(await valueOf(connection, `SELECT current_setting('application_name') AS value`)).toBe(
      'driver test',
    );
    await expect(open({ password: '' })).rejects.toThrow(/password/);
  });

  test('nor weakens a session that may only read', async () => {
    vi.stubEnv('PGOPTIONS', '-c default_transaction_read_only=off');
    const connection = await open({ readOnly: true });
    await expect(connection.query('CREATE TABLE t ()')).rejects.toMatchObject({ code: '25006' });
    await connection.query('SET default_transaction_read_only = off');
    await connection.reset();
    await expect(connection.query('CREATE TABLE t ()')).rejects.toMatchObject({ code: '25006' });
  });
});

describe('TLS', () => {
  let folder: string;
  let context: ReturnType<typeof createSecureContext>;
  let ca: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pg-mcp-tls-'));
    const authority = new Authority(folder, 'authority');
    const { certFile, keyFile } = authority.issue('db.example', { names: ['DNS:db.example'] });
    ca = readFileSync(authority.certFile, 'utf8');
    context = createSecureContext({ key: readFileSync(keyFile), cert: readFileSync(certFile) });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Ends the TLS of PostgreSQL's own negotiation (manual, section 54.2.11) and passes the rest on. */
  async function tlsServer() {
    const names: (string | false | undefined)[] = [];
    const server = await serve((socket) => {
      socket.once('data', () => {
        socket.write('S');
        const secure = new TLSSocket(socket, {
          isServer: true,
          secureContext: context,
          SNICallback: (name, done) => (names.push(name), done(null, context)),
        });
        secure.on('error', () => socket.destroy());
        const { host, port } = options;
        const upstream = connect(port, host);
        upstream.on('error', () => secure.destroy());
        secure.pipe(upstream).pipe(secure);
        secure.on('close', () => upstream.destroy());
      });
    });
    return Object.assign(server, { names });
  }

  test('reaches the server with the ca and the server name that are set, by address', async () => {
    await using server = await tlsServer();
    const connection = await open({ port: server.port, ssl: new Tls({ ca, servername: 'db.example' }) });
    expect(await valueOf(connection, 'SELECT 1 AS value')).toBe(1);
    connection.destroy();
    await until(() => server.sockets.size === 0, soon('the socket to go'));
  });

  test('reaches the server with the server name that is set, by name', async () => {
    await using server = await tlsServer();
    const connection = await open({
      host: 'localhost',
      port: server.port,
      ssl: new Tls({ ca, servername: 'db.example' }),
    });
    expect(await valueOf(connection, 'SELECT 1 AS value')).toBe(1);
    expect(server.names).toEqual(['db.example']);
    await connection.end();
    await until(() => server.sockets.size === 0, soon('the socket to go'));
  });

  test.each<[string, () => Tls, RegExp]>([
    ['a certificate nobody vouches for', () => new Tls(), /unable to verify/],
    ['another name than the certificate has', () => new Tls({ ca }), /does not match certificate/],
  ])('refuses %s', async (_, ssl, message) => {
    await using server = await tlsServer();
    await expect(open({ port: server.port, ssl: ssl() })).rejects.toThrow(message);
    await until(() => server.sockets.size === 0, soon('the socket to go'));
  });

  test('takes any certificate where that is asked for', async () => {
    await using server = await tlsServer();
    const connection = await open({ port: server.port, ssl: new Tls({ rejectUnauthorized: false }) });
    expect(await valueOf(connection, 'SELECT 1 AS value')).toBe(1);
    await connection.end();
  });

  test('handshake that hangs ends at the timeout', async () => {
    await using stuck = await serve((socket) => void socket.once('data', () => socket.write('S')));
    const clock = new ManualClock();
    const connecting = pgDriver.connect({ ...options, port: stuck.port, ssl: new Tls() }, clock);
    const outcome = expect(connecting).rejects.toThrow('no connection within');
    await until(() => [...stuck.sockets][0]?.bytesWritten === 1, soon('the handshake to begin'));
    await clock.advance(5_000);
    await outcome;
    await until(() => stuck.sockets.size === 0, soon('the socket to go'));
  });
});

describe('a connection that breaks', () => {
  const terminate = async (connection: DriverConnection) => {
    await queryOnce(database.adminUrl, 'SELECT pg_terminate_backend($1)', [connection.processId]);
  };
  const isWaiting = async (connection: DriverConnection) => {
    const sql = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`;
    return (await queryOnce(database.adminUrl, sql, [connection.processId])).rowCount;
  };

  test('by pg_terminate_backend while idle: told once, and the next statement was not sent', async () => {
    const connection = await open();
    const events = heard(connection);
    await terminate(connection);
    await until(() => connection.isLost, soon('the loss to be noticed'));
    expect(events.slice(1)).toEqual(['lost: terminating connection due to administrator command']);
    await expect(connection.query('SELECT 1')).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      outcome: 'not-sent',
      safeToRetry: true,
      node: 'node1',
    });
    expect(events.length).toBe(2);
  });

  test('by pg_terminate_backend in flight: the outcome is unknown', async () => {
    const connection = await open();
    const events = heard(connection);
    const running = connection.query('SELECT pg_sleep(60)');
    const outcome = expect(running).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      outcome: 'unknown',
      safeToRetry: false,
      cause: { code: '57P01' },
    });
    await until(() => isWaiting(connection), soon('the statement to run'));
    await terminate(connection);
    await outcome;
    expect(connection.isLost).toBe(true);
    expect(events.length).toBe(2);
  });

  test('by the network while idle', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    const events = heard(connection);
    proxy.cut();
    await until(() => connection.isLost, soon('the loss to be noticed'));
    expect(events.length).toBe(2);
  });

  test('by the network in flight', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    const outcome = expect(connection.query('SELECT pg_sleep(60)')).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      outcome: 'unknown',
    });
    await until(() => isWaiting(connection), soon('the statement to run'));
    proxy.cut();
    await outcome;
  });

  test('in the midst of an answer', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    proxy.resetAfter(2_000);
    await expect(connection.query('SELECT * FROM generate_series(1, 10000)')).rejects.toBeInstanceOf(
      ConnectionLostError,
    );
  });

  test('in the midst of connecting', async () => {
    await using proxy = await TcpProxy.start(options);
    for (const bytes of [1, 30, 80, 200]) {
      proxy.resetAfter(bytes);
      await expect(open({ port: proxy.port })).rejects.toThrow(/ECONNRESET|terminated/);
    }
  });

  test('in a black hole: destroy fails what is in flight, end does not wait for ever', async () => {
    await using proxy = await TcpProxy.start(options);
    const clock = new ManualClock();
    const [one, other] = await Promise.all(
      [1, 2].map(() => pgDriver.connect({ ...options, port: proxy.port }, clock)),
    );
    proxy.blackHole();
    const cause = new Error('fenced');
    const outcome = expect(one?.query('SELECT 1')).rejects.toMatchObject({ outcome: 'unknown', cause });
    const events = heard(one as DriverConnection);
    one?.destroy(cause);
    await outcome;
    const ending = other?.end();
    await clock.advance(1_000);
    await ending;
    expect(events.filter((event) => event.startsWith('lost: fenced'))).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('errors of the server that leave the connection as it was', () => {
  test.each<[string, string, readonly unknown[] | undefined, string]>([
    ['a plain error', 'SELECT 1/0', undefined, '22012'],
    ['too few values', 'SELECT $1::int, $2::int', [1], '08P01'],
    ['NUL in the text', 'SELECT \0 1', undefined, '42601|08P01'],
    ['NUL in a value', 'SELECT $1::text', ['\0'], '22021'],
    ['a connection failure that a function reports', raise('08006'), undefined, '08006'],
    ['a shutdown that a foreign server reports', raise('57P01'), undefined, '57P01'],
  ])('%s', async (_, text, values, code) => {
    const connection = await open();
    const events = heard(connection);
    await expect(connection.query(text, values)).rejects.toMatchObject({
      code: expect.stringMatching(code),
    });
    expect([connection.isLost, connection.isBusy, connection.transactionStatus]).toEqual([false, false, 'I']);
    expect(await valueOf(connection, 'SELECT 1 AS value')).toBe(1);
    expect(events.length).toBe(1);
  });

  function raise(code: string) {
    return `DO $$ BEGIN RAISE EXCEPTION 'far away' USING ERRCODE = '${code}'; END $$`;
  }

  test('come when the server is ready again, even if it says so in another packet', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    proxy.ready = 'late';
    for (const values of [undefined, []]) {
      const error = connection.query('SELECT 1/0', values);
      await expect(error).rejects.toMatchObject({ code: '22012' });
      expect([connection.isBusy, connection.transactionStatus]).toEqual([false, 'I']);
    }
    await connection.query('BEGIN');
    await expect(connection.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    expect([connection.isBusy, connection.transactionStatus]).toEqual([false, 'E']);
  });

  test('come also when the connection breaks between the error and that', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    proxy.ready = 'never';
    await expect(connection.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    expect(connection.isLost).toBe(true);
  });
});

describe('errors on this side of the wire leave the connection usable', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;

  test('a value that is no JSON, however late the server is ready again', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    proxy.ready = 'late';
    await expect(connection.query('SELECT $1::json', [circular])).rejects.toThrow(/circular/);
    expect([connection.isLost, connection.isBusy]).toEqual([false, false]);
    expect(await valueOf(connection, 'SELECT 1 AS value')).toBe(1);
  });

  test('a value that is no JSON, for a named statement: the name goes on working', async () => {
    const connection = await open();
    const named = { name: 'store', text: 'SELECT $1::json AS value' };
    for (const value of [circular, { a: 1 }, circular, { a: 2 }]) {
      const result = connection.query({ ...named, values: [value] });
      if (value === circular) await expect(result).rejects.toThrow(/circular/);
      else expect((await result).rows).toEqual([{ value }]);
    }
  });

  test('a name used for two texts', async () => {
    const connection = await open();
    await connection.query({ name: 'twice', text: 'SELECT 1 AS value' });
    await expect(connection.query({ name: 'twice', text: 'SELECT 2 AS value' })).rejects.toThrow(
      /another statement/,
    );
    const { rows } = await connection.query({ name: 'twice', text: 'SELECT 1 AS value' });
    expect(rows).toEqual([{ value: 1 }]);
  });

  test('no text at all', async () => {
    const connection = await open();
    await expect(connection.query(undefined as unknown as string)).rejects.toThrow();
    expect(await valueOf(connection, 'SELECT 1 AS value')).toBe(1);
  });
});

test('a reset forgets the session: settings, temporary tables and prepared statements', async () => {
  const connection = await open();
  const named = { name: 'n', text: 'SELECT 1 AS value' };
  await connection.query(named);
  await connection.query('SET search_path = elsewhere');
  await connection.query('CREATE TEMP TABLE gone ()');
  await connection.reset();
  expect((await connection.query(named)).rows).toEqual([{ value: 1 }]);
  expect(await valueOf(connection, `SELECT current_setting('search_path') AS value`)).toBe('"$user", public');
  expect(await valueOf(connection, `SELECT to_regclass('gone') AS value`)).toBeNull();
});

test.each([
  ['SELECT 1', false],
  ['INSERT INTO kept VALUES (1)', false],
  ['CREATE TEMP TABLE t AS SELECT 1 AS a', true],
  ['SELECT 1 AS a INTO TEMP u', true],
  [`SET search_path = elsewhere`, true],
  ['LISTEN orders', true],
  ['SELECT 1; SELECT 2', true],
])('after %s a pooled connection counts as tainted: %s', async (text, isTainted) => {
  const pooled = new PooledConnection(await open(), Number.POSITIVE_INFINITY, 0, 0);
  await pooled.driver.query('CREATE TABLE IF NOT EXISTS kept (a int)');
  await pooled.query({ text });
  expect(pooled.isTainted).toBe(isTainted);
});

test('says at connect whether the server is a standby', async () => {
  const [replica] = database.config.replicas;
  const { host, port } = replica as { host: string; port: number };
  expect(heard(await open())).toEqual(['standby: false']);
  expect(heard(await open({ host, port }))).toEqual(['standby: true']);
});

test('end says goodbye: the server logs no broken connection, and the socket is gone', async () => {
  await using proxy = await TcpProxy.start(options);
  const connection = await open({ port: proxy.port });
  const events = heard(connection);
  await connection.end();
  await connection.end();
  await until(() => proxy.links === 0, soon('the socket to go'));
  expect(events.length).toBe(1);
});
