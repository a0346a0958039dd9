import type { Clock } from '../clock.js';
import type { Password } from '../config/settings.js';
import type { Tls } from '../config/tls.js';
import type { Queryable, QueryResult, Row, Statement } from '../query.js';
import type { Group } from './group.js';
import type { KnownText, KnownTexts } from './known-texts.js';

/** What a connection is opened with. */
export interface ConnectOptions {
  /** The node's name, for messages. */
  readonly node: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: Password;
  readonly ssl: false | Tls;
  readonly applicationName: string;
  /** Bounds the whole way to a ready connection: name, socket, TLS, password function, authentication. */
  readonly connectionTimeoutMs: number;
  /** Starts every session with `default_transaction_read_only = on` (manual, section 19.11.1). */
  readonly readOnly: boolean;
  /** Asks the server for its identity, at the price of a round trip. */
  readonly identify?: boolean;
  /** Milliseconds after which the server cancels a statement (manual, section 19.11.1). */
  readonly statementTimeoutMs?: number;
  /** By which to prepare what comes again; without, nothing is prepared. */
  readonly texts?: KnownTexts;
}

/** Told once: of an error, or of a result. */
export type Answered<R = Row> = (error: unknown, result?: QueryResult<R>) => void;

/** Whether it is to be sent. */
export type Again = () => boolean;

/** As `pg_stat_activity` knows a connection (manual, section 27.2.3). */
export interface Backend {
  readonly processId: number;
  /** -1: a Unix socket. */
  readonly clientPort: number;
}

/** What server a connection has come to, and as what. */
export interface ServerIdentity {
  /** When its process began, as the probes tell it: an address may lead to several servers. */
  readonly startedAt: string;
  /** The schemas in which names without one are looked for, as a JSON text. */
  readonly searchPath: string;
}

/** `I` idle, `T` in a transaction, `E` in a failed one (manual, section 54.7, ReadyForQuery). */
export type TransactionStatus = 'I' | 'T' | 'E';

export interface ConnectionListener {
  /** The connection is gone, and not because we ended it. Called once. */
  lost(cause: Error): void;
  /**
   * The server said whether it is in hot standby (`in_hot_standby`, PostgreSQL 14 and later; manual,
   * section 54.2.7). It says so at connect and, after a promotion, with the next statement.
   */
  role(inHotStandby: boolean): void;
}

/** One physical connection. The pool and the monitor know no more of `pg` than this. */
export interface DriverConnection extends Queryable {
  readonly processId: number | undefined;
  /** Once it is known that the server answers by itself, with no proxy in between. */
  readonly backend: Backend | undefined;
  readonly transactionStatus: TransactionStatus;
  /** A statement was sent whose answer has not come. */
  readonly isBusy: boolean;
  readonly isLost: boolean;
  /** What is sent in this turn of the event loop goes out in one packet with what was sent before. */
  readonly isGathering: boolean;
  /** Where it was asked for and could be told. */
  readonly identity: ServerIdentity | undefined;
  /** The `pg.Client` itself, for what only `pg` speaks (COPY streams, cursors, notifications). */
  readonly client: unknown;
  listen(listener: ConnectionListener): void;
  /** As `query`, told without a promise. */
  ask<R = Row>(statement: Statement, answered: Answered<R>): void;
  /**
   * Sends one statement behind those that wait for their answers here, and tells of its answer when the server is
   * ready for the next. One that fails does not harm the others. Not while a `query` is under way, nor the other way
   * round.
   *
   * @param again Asked before it is sent once more, alone and behind all others: whether anybody waits for it.
   * @returns those it is answered together with: none of them is, before the last one is done.
   */
  pipeline<R = Row>(
    statement: Statement,
    known: KnownText,
    answered: Answered<R>,
    again?: Again,
  ): Group | undefined;
  /**
   * Commits the transaction.
   *
   * @param noted Told its id before the server begins with that, at no round trip; not where it has not written.
   */
  commit(noted: (xid: string) => void): Promise<QueryResult>;
  /** Takes the session back to how it began (`DISCARD ALL`). */
  reset(): Promise<void>;
  /** Says goodbye and closes; cuts the socket where the goodbye gets no answer. */
  end(): Promise<void>;
  /** Cuts the socket at once. Statements in flight fail. */
  destroy(cause?: Error): void;
}

export interface Driver {
  /** Rejects with the cause as the network or the server gave it; never leaves a socket behind. */
  connect(options: ConnectOptions, clock: Clock, signal?: AbortSignal): Promise<DriverConnection>;
}
