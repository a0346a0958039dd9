import pg from 'pg';
import type { ConnectOptions, Driver } from './driver.js';
import { PgConnection } from './pg-connection.js';

const KEEPALIVE_DELAY_MS = 10_000;

const READ_ONLY = '-c default_transaction_read_only=on';

/** What of `pg` its types leave out. */
interface Internals {
  readonly connectionParameters: object;
  readonly connection: { upgradeToSSL(host: string, onError: (error: Error) => void): void };
}

/** Connections by `pg`. */
export const pgDriver: Driver = {
  async connect(options, clock, signal) {
    const client = createClient(options);
    const connection = new PgConnection(client, options, clock);
    const timeout = clock.setTimer(() => {
      connection.destroy(new Error(`no connection within ${options.connectionTimeoutMs} ms`));
    }, options.connectionTimeoutMs);
    const abort = () => connection.destroy(toError(signal?.reason));
    signal?.addEventListener('abort', abort);
    try {
      signal?.throwIfAborted();
      await connection.open();
      if (options.identify === true) await connection.identify();
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      timeout.cancel();
      signal?.removeEventListener('abort', abort);
    }
  },
};

function createClient(options: ConnectOptions): pg.Client {
  const client = new pg.Client(toClientConfig(options));
  // Where these are not set, `pg` takes them from PGOPTIONS and PGREPLICATION.
  Object.assign((client as unknown as Internals).connectionParameters, {
    options: options.readOnly ? READ_ONLY : undefined,
    replication: undefined,
  });
  if (typeof options.ssl === 'object' && options.ssl.servername !== undefined) {
    const { servername } = options.ssl;
    const connection = client.connection as unknown as Internals['connection'];
    const upgrade = connection.upgradeToSSL.bind(connection);
    // It takes the host for the server name, over the one that is set.
    connection.upgradeToSSL = (_host, onError) => upgrade(servername, onError);
  }
  return client;
}

function toClientConfig(options: ConnectOptions): pg.ClientConfig {
  const { password } = options;
  return {
    host: options.host,
    port: options.port,
    database: options.database,
    user: options.user,
    // A function keeps `pg` from looking into PGPASSWORD and ~/.pgpass: the settings are the only source.
    password: typeof password === 'function' ? password : () => password ?? '',
    ssl: toTls(options.ssl),
    sslnegotiation: 'postgres',
    application_name: options.applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    ...(options.statementTimeoutMs && { statement_timeout: options.statementTimeoutMs }),
  };
}

/** A copy, since `pg` hides the key of what it gets, for whoever looks at it next. */
function toTls(ssl: ConnectOptions['ssl']): ConnectOptions['ssl'] {
  if (typeof ssl === 'boolean') return ssl;
  return 'key' in ssl ? { ...ssl, key: ssl.key } : { ...ssl };
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
