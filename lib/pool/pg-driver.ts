import pg from 'pg';
import type { Clock } from '../clock.js';
import { ConnectionLostError } from '../errors.js';
import { toStatement, type QueryResult, type Row, type Statement } from '../query.js';
import type {
  ConnectionListener,
  ConnectOptions,
  Driver,
  DriverConnection,
  ServerIdentity,
  TransactionStatus,
} from './driver.js';

const KEEPALIVE_DELAY_MS = 10_000;
const GOODBYE_MS = 1_000;

/**
 * Errors by which the server itself ends a connection (manual, appendix A): 57P01 and 57P02 shutdown, 57P03
 * not ready, 57P04 database dropped, 57P05 idle session, 25P03 and 25P04 transaction time-outs. Those of
 * class 08 are not among them: a wrong number of values is one, and foreign servers report them.
 */
const CONNECTION_ENDING = /^(57P0[1-5]|25P0[34])$/;

const IDENTITY = `
  SELECT extract(epoch FROM pg_postmaster_start_time())::text AS "startedAt",
    to_json(current_schemas(true))::text AS "searchPath"`;

const READ_ONLY = '-c default_transaction_read_only=on';

/** What of `pg` its types leave out. */
interface Internals {
  readonly connectionParameters: object;
  readonly connection: {
    upgradeToSSL(host: string, onError: (error: Error) => void): void;
    readonly parsedStatements: Record<string, string>;
    readonly submittedNamedStatements: Record<string, string>;
  };
}

/** The only place that knows `pg`. */
export const pgDriver: Driver = {
  async connect(options, clock, signal) {
    const client = createClient(options);
    const connection = new PgConnection(client, options.node, clock);
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
  };
}

/** A copy, since `pg` hides the key of what it gets, for whoever looks at it next. */
function toTls(ssl: ConnectOptions['ssl']): ConnectOptions['ssl'] {
  if (typeof ssl === 'boolean') return ssl;
  return 'key' in ssl ? { ...ssl, key: ssl.key } : { ...ssl };
}

class PgConnection implements DriverConnection {
  readonly #node: string;
  readonly #clock: Clock;
  #abandonOpening: ((cause: Error) => void) | undefined;
  #listener: ConnectionListener | undefined;
  #inHotStandby: boolean | undefined;
  #identity: ServerIdentity | undefined;
  #lost: Error | undefined;
  #ending = false;
  #inFlight = 0;

  constructor(
    readonly client: pg.Client,
    node: string,
    clock: Clock,
  ) {
    this.#node = node;
    this.#clock = clock;
    client.on('error', (error) => this.#markLost(error));
    client.on('end', () => this.#markLost(new Error('the connection was closed')));
    client.connection.on('parameterStatus', (status: { parameterName: string; parameterValue: string }) => {
      if (status.parameterName !== 'in_hot_standby') return;
      this.#inHotStandby = status.parameterValue === 'on';
      this.#listener?.role(this.#inHotStandby);
    });
  }

  get processId(): number | undefined {
    return 'processID' in this.client && typeof this.client.processID === 'number'
      ? this.client.processID
      : undefined;
  }

  get transactionStatus(): TransactionStatus {
    return this.client.getTransactionStatus() ?? 'I';
  }

  get isBusy(): boolean {
    // Counts what was sent past us too, by one who uses the client of a lease.
    return this.#inFlight > 0 || this.#isAwaitingReady;
  }

  get #isAwaitingReady(): boolean {
    return 'readyForQuery' in this.client && this.client.readyForQuery === false;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Ends with the first of: ready, refused, cut by `destroy`. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#abandonOpening = reject;
      this.client.connect().then(() => resolve(), reject);
    });
  }

  /** A service that hides it is one whose positions count for nothing. */
  async identify(): Promise<void> {
    try {
      // As texts, whatever type parsers the caller has set.
      const types = { getTypeParser: () => (value: unknown) => value };
      const { rows } = await this.client.query<ServerIdentity>({ text: IDENTITY, types });
      [this.#identity] = rows;
    } catch (error) {
      if (this.#lost) throw this.#lost;
      if (!(error instanceof pg.DatabaseError) || endsConnection(error)) throw error;
      await this.#recover({ text: IDENTITY }, error);
    }
  }

  get identity(): ServerIdentity | undefined {
    return this.#identity;
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
    if (this.#inHotStandby !== undefined) listener.role(this.#inHotStandby);
    if (this.#lost) listener.lost(this.#lost);
  }

  async query<R = Row>(statement: string | Statement, values?: readonly unknown[]): Promise<QueryResult<R>> {
    if (this.#lost) throw new ConnectionLostError(this.#node, 'not-sent', this.#lost);
    const asked = toStatement(statement, values);
    this.#inFlight++;
    try {
      return await this.client.query<never>(asked as pg.QueryConfig);
    } catch (error) {
      const explained = this.#explain(error);
      await this.#recover(asked, error);
      throw explained;
    } finally {
      this.#inFlight--;
    }
  }

  /**
   * `pg` rejects with the error itself. The server says a moment later that it is ready, and how the
   * transaction stands: only then can the connection be judged.
   */
  async #recover({ name }: Statement, error: unknown): Promise<void> {
    // With more in flight it stays busy, and that they are ready says nothing of this one.
    if (this.#lost || this.#inFlight > 1 || !this.#isAwaitingReady) return;
    const { connection } = this.client;
    await new Promise<void>((resolve) => {
      const over = () => {
        connection.off('readyForQuery', over).off('end', over);
        resolve();
      };
      connection.on('readyForQuery', over).on('end', over);
    });
    if (name === undefined || error instanceof pg.DatabaseError) return;
    // A value could not be sent: `pg` closed the statement on the server and goes on believing in it.
    const { parsedStatements, submittedNamedStatements } = connection as unknown as Internals['connection'];
    delete parsedStatements[name];
    delete submittedNamedStatements[name];
  }

  async reset(): Promise<void> {
    await this.query('DISCARD ALL');
    // DISCARD drops the prepared statements on the server; `pg` would go on believing in them.
    Object.assign(this.client.connection, { parsedStatements: {}, submittedNamedStatements: {} });
  }

  async end(): Promise<void> {
    this.#ending = true;
    const cut = this.#clock.setTimer(() => this.client.connection.stream.destroy(), GOODBYE_MS);
    try {
      await this.client.end();
    } finally {
      cut.cancel();
    }
  }

  destroy(cause = new Error('the connection was cut on purpose')): void {
    this.#ending = true;
    this.#lost ??= cause;
    this.#abandonOpening?.(cause);
    this.client.connection.stream.destroy();
  }

  #markLost(cause: Error): void {
    if (this.#lost) return;
    this.#lost = cause;
    if (!this.#ending) this.#listener?.lost(cause);
  }

  /** An error of the server passes as it is, unless it took the connection with it. */
  #explain(error: unknown): unknown {
    if (error instanceof pg.DatabaseError) {
      if (!endsConnection(error)) return error;
      this.#markLost(error);
    }
    return this.#lost ? new ConnectionLostError(this.#node, 'unknown', this.#lost) : error;
  }
}

/** The severity comes in the server's language; `ERROR` in English leaves the connection, whatever its code. */
function endsConnection({ severity, code }: pg.DatabaseError): boolean {
  if (severity === 'FATAL' || severity === 'PANIC') return true;
  return severity !== 'ERROR' && CONNECTION_ENDING.test(code ?? '');
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
