import pg from 'pg';
import type { Clock } from '../clock.js';
import { ConnectionLostError } from '../errors.js';
import { toStatement, type QueryResult, type Row, type Statement } from '../query.js';
import type {
  ConnectionListener,
  ConnectOptions,
  Driver,
  DriverConnection,
  TransactionStatus,
} from './driver.js';

const KEEPALIVE_DELAY_MS = 10_000;
const GOODBYE_MS = 1_000;

/**
 * Errors after which the server closes the connection (manual, appendix A): 57P01 and 57P02 shutdown,
 * 57P03 not ready, 57P04 database dropped, 57P05 idle session, 25P03 and 25P04 transaction time-outs.
 */
const CONNECTION_ENDING = /^(57P0[1-5]|25P0[34]|08...)$/;

/** The only place that knows `pg`. */
export const pgDriver: Driver = {
  async connect(options, clock, signal) {
    const client = new pg.Client(toClientConfig(options));
    const connection = new PgConnection(client, options.node, clock);
    const timeout = clock.setTimer(() => {
      connection.destroy(new Error(`no connection within ${options.connectionTimeoutMs} ms`));
    }, options.connectionTimeoutMs);
    const abort = () => connection.destroy(toError(signal?.reason));
    signal?.addEventListener('abort', abort);
    try {
      signal?.throwIfAborted();
      await connection.open();
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

function toClientConfig(options: ConnectOptions): pg.ClientConfig {
  const { password } = options;
  return {
    host: options.host,
    port: options.port,
    database: options.database,
    user: options.user,
    // A function keeps `pg` from looking into PGPASSWORD and ~/.pgpass: the settings are the only source.
    password: typeof password === 'function' ? password : () => password ?? '',
    ssl: options.ssl,
    application_name: options.applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    options: options.readOnly ? '-c default_transaction_read_only=on' : undefined,
  };
}

class PgConnection implements DriverConnection {
  readonly #node: string;
  readonly #clock: Clock;
  #abandonOpening: ((cause: Error) => void) | undefined;
  #listener: ConnectionListener | undefined;
  #inHotStandby: boolean | undefined;
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
    return this.#inFlight > 0 || ('readyForQuery' in this.client && this.client.readyForQuery === false);
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

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
    if (this.#inHotStandby !== undefined) listener.role(this.#inHotStandby);
    if (this.#lost) listener.lost(this.#lost);
  }

  async query<R = Row>(statement: string | Statement, values?: readonly unknown[]): Promise<QueryResult<R>> {
    if (this.#lost) throw new ConnectionLostError(this.#node, 'not-sent', this.#lost);
    this.#inFlight++;
    try {
      return await this.client.query<never>(toStatement(statement, values) as pg.QueryConfig);
    } catch (error) {
      throw this.#explain(error);
    } finally {
      this.#inFlight--;
    }
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
    const isOfServer = error instanceof pg.DatabaseError;
    if (isOfServer && (error.severity === 'FATAL' || error.severity === 'PANIC')) this.#markLost(error);
    if (isOfServer && !CONNECTION_ENDING.test(error.code ?? '')) return error;
    if (isOfServer) this.#markLost(error);
    return this.#lost ? new ConnectionLostError(this.#node, 'unknown', this.#lost) : error;
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
