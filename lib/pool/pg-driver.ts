import type { ConnectionOptions as TlsOptions } from 'node:tls';
import pg from 'pg';
import { codeOf, toError } from '../errors.js';
import type { ConnectOptions, Driver } from './driver.js';
import { PgConnection } from './pg-connection.js';
import { createSocket } from './socket.js';

const KEEPALIVE_DELAY_MS = 10_000;

// Manual, appendix A; other ways than a password's own (PAM, with RDS IAM) refuse by the second.
const INVALID_PASSWORD = '28P01';
const INVALID_AUTHORIZATION = '28000';

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
      forgetPassword(client);
      return connection;
    } catch (error) {
      connection.destroy();
      if (isRefusedPassword(error) && typeof options.password === 'function')
        options.password.forget?.(options);
      throw error;
    } finally {
      timeout.cancel();
      signal?.removeEventListener('abort', abort);
    }
  },
};

function createClient(options: ConnectOptions): pg.Client {
  const tls = options.ssl && options.ssl.options();
  const client = new pg.Client(toClientConfig(options, tls));
  // Where these are not set, `pg` takes them from PGOPTIONS and PGREPLICATION.
  Object.assign((client as unknown as Internals).connectionParameters, {
    options: options.readOnly ? READ_ONLY : undefined,
    replication: undefined,
  });
  if (tls && tls.servername !== undefined) {
    const { servername } = tls;
    const connection = client.connection as unknown as Internals['connection'];
    const upgrade = connection.upgradeToSSL.bind(connection);
    // It takes the host for the server name, over the one that is set.
    connection.upgradeToSSL = (_host, onError) => upgrade(servername, onError);
  }
  return client;
}

/** It has served, and whoever prints the client shall not find it. */
function forgetPassword(client: pg.Client): void {
  const holders: { password?: unknown }[] = [client, (client as unknown as Internals).connectionParameters];
  for (const holder of holders) holder.password = undefined;
}

function isRefusedPassword(error: unknown): boolean {
  const code = codeOf(error);
  return code === INVALID_PASSWORD || code === INVALID_AUTHORIZATION;
}

function toClientConfig(options: ConnectOptions, ssl: false | TlsOptions): pg.ClientConfig {
  const { host, port, user, password } = options;
  return {
    host,
    port,
    user,
    database: options.database,
    // A function keeps `pg` from looking into PGPASSWORD and ~/.pgpass: the settings are the only source.
    password: typeof password === 'function' ? () => password({ host, port, user }) : () => password ?? '',
    ssl,
    // TLS has to read from its socket by itself.
    ...(!ssl && { stream: createSocket }),
    sslnegotiation: 'postgres',
    application_name: options.applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    ...(options.statementTimeoutMs && { statement_timeout: options.statementTimeoutMs }),
  };
}
