import pg from 'pg';
import { serialize } from 'pg-protocol';
import type { Clock } from '../clock.js';
import { ConnectionLostError, leadToCaller, toError } from '../errors.js';
import { toStatement, type QueryResult, type Row, type Statement } from '../query.js';
import type {
  Answered,
  ConnectionListener,
  ConnectOptions,
  DriverConnection,
  ServerIdentity,
  TransactionStatus,
} from './driver.js';
import type { KnownText, KnownTexts } from './known-texts.js';
import { Outbox } from './outbox.js';
import { SharedQuery, StatementQuery, type SharedLine } from './pg-queries.js';
import { PreparedStatements, type PreparingConnection } from './prepared-statements.js';

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

/** DISCARD ALL drops the prepared statements too; `pg` would go on believing in them. */
const DROPS_PREPARED = /^(DEALLOCATE|DISCARD)$/;

/** `invalid_sql_statement_name` and `duplicate_prepared_statement`. */
const [UNKNOWN_PREPARED, KNOWN_PREPARED] = ['26000', '42P05'];
const PREPARED = new Set([UNKNOWN_PREPARED, KNOWN_PREPARED]);

/** What of `pg` its types leave out. */
interface Internals {
  readonly connection: PreparingConnection & {
    close(statement: { readonly type: 'S'; readonly name: string }): void;
  };
  /** Looked at with each statement, so a connection that is quiet can be switched. */
  pipeline: boolean;
}

interface FailedCall<R> {
  readonly statement: Statement;
  /** As it was sent: with the name under which it is prepared, if it is. */
  readonly named: Statement;
  readonly answered: Answered<R>;
  readonly mayRepeat: boolean;
}

/** A client of `pg` as a connection of a pool. */
export class PgConnection implements DriverConnection {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #texts: KnownTexts | undefined;
  readonly #line: SharedLine;
  #abandonOpening: ((cause: Error) => void) | undefined;
  #listener: ConnectionListener | undefined;
  #inHotStandby: boolean | undefined;
  #identity: ServerIdentity | undefined;
  #lost: Error | undefined;
  #ending = false;
  #inFlight = 0;

  constructor(
    readonly client: pg.Client,
    { node, texts }: ConnectOptions,
    clock: Clock,
  ) {
    this.#node = node;
    this.#clock = clock;
    this.#texts = texts;
    const { connection } = this.#internals;
    const outbox = new Outbox(() => client.connection.stream);
    const close = (name: string) => {
      // What follows brings the answer with it.
      if (this.#internals.pipeline) outbox.put(serialize.close({ type: 'S', name }));
      else connection.close({ type: 'S', name });
    };
    this.#line = { outbox, prepared: new PreparedStatements(connection, close) };
    client.on('error', (error) => this.#markLost(error));
    client.on('end', () => this.#markLost(new Error('the connection was closed')));
    client.connection.on('parameterStatus', (status: { parameterName: string; parameterValue: string }) => {
      if (status.parameterName !== 'in_hot_standby') return;
      this.#inHotStandby = status.parameterValue === 'on';
      this.#listener?.role(this.#inHotStandby);
    });
  }

  get #internals(): Internals {
    return this.client as unknown as Internals;
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
      const { rows } = await this.query<ServerIdentity>({ text: IDENTITY, types });
      [this.#identity] = rows;
    } catch (error) {
      if (this.#lost) throw this.#lost;
      if (!(error instanceof pg.DatabaseError)) throw error;
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
    const asked = toStatement(statement, values);
    try {
      return await new Promise<QueryResult<R>>((resolve, reject) => {
        this.ask<R>(asked, (error, result) => (result ? resolve(result) : reject(toError(error))));
      });
    } catch (error) {
      leadToCaller(error);
      throw error;
    }
  }

  ask<R = Row>(statement: Statement, answered: Answered<R>): void {
    if (this.#lost) {
      answered(new ConnectionLostError(this.#node, 'not-sent', this.#lost));
      return;
    }
    this.#internals.pipeline = false;
    this.#run(statement, answered, this.transactionStatus === 'I');
  }

  #run<R>(statement: Statement, answered: Answered<R>, mayRepeat: boolean): void {
    const named = this.#named(statement);
    const callback = (error: unknown, result: QueryResult<R>) => {
      if (error) {
        // `pg` tells of what it could not send before it notes that nothing is under way.
        queueMicrotask(() => this.#failed(error, { statement, named, answered, mayRepeat }));
        return;
      }
      this.#inFlight--;
      if (DROPS_PREPARED.test(result.command)) this.#line.prepared.forgetAll();
      answered(undefined, result);
    };
    let query: StatementQuery<R>;
    try {
      query = new StatementQuery<R>(named, named.name, callback);
    } catch (error) {
      answered(error);
      return;
    }
    this.#inFlight++;
    this.client.query(query as unknown as pg.Submittable);
  }

  /** Only when the server is ready for what follows can the connection be judged. */
  #failed<R>(error: unknown, { statement, named, answered, mayRepeat }: FailedCall<R>): void {
    const explained = this.#explain(error);
    const over = () => {
      this.#inFlight--;
      const isStale = named !== statement && this.#isStale(named.name, named.text, error);
      // The server has not begun with it.
      if (isStale && mayRepeat && !this.#lost) this.#run(statement, answered, false);
      else answered(explained);
    };
    // With more in flight it stays busy, and that they are ready says nothing of this one.
    if (this.#inFlight > 1) over();
    else this.#whenReady(over);
  }

  /** Without values `pg` sends a text by the simple protocol, which takes several statements and prepares none. */
  #named(statement: Statement): Statement {
    const { text, values, name } = statement;
    if (name !== undefined || values === undefined || values.length === 0) return statement;
    if (this.#texts?.isPreparing !== true || this.#lost) return statement;
    const known = this.#texts.use(text);
    return known.isRepeated ? { ...statement, name: this.#line.prepared.nameOf(known) } : statement;
  }

  pipeline<R = Row>(statement: Statement, known: KnownText, answered: Answered<R>): void {
    if (this.#lost) {
      answered(new ConnectionLostError(this.#node, 'not-sent', this.#lost));
      return;
    }
    this.#inFlight++;
    this.#send(statement, known, (error, result?: QueryResult<R>) => {
      this.#inFlight--;
      answered(error, result);
    });
  }

  #send<R>(statement: Statement, known: KnownText, answered: Answered<R>, isFirst = true): void {
    // First: a statement that has to make room for this one is closed on the way of the others.
    this.#internals.pipeline = true;
    const isNamed = this.#texts?.isPreparing === true && (known.isRepeated || statement.name !== undefined);
    const name = isNamed ? this.#line.prepared.nameOf(known) : undefined;
    const callback = (error: unknown, result: QueryResult<R>) => {
      if (!error) answered(undefined, result);
      else
        this.#whenReady(() => {
          // What is read outside a transaction may be asked again.
          if (isFirst && !this.#lost && this.#isStale(name, known.text, error))
            this.#send(statement, known, answered, false);
          else answered(this.#explain(error));
        });
    };
    let query: SharedQuery<R>;
    try {
      query = new SharedQuery<R>(statement, name, this.#line, callback);
    } catch (error) {
      answered(error);
      return;
    }
    this.client.query(query as unknown as pg.Submittable);
  }

  /** An error comes a moment before the server is ready for what follows. */
  #whenReady(task: () => void): void {
    if (this.#lost || !this.#isAwaitingReady) {
      task();
      return;
    }
    const { connection } = this.client;
    const over = () => {
      connection.off('readyForQuery', over).off('end', over);
      task();
    };
    connection.on('readyForQuery', over).on('end', over);
  }

  /** Whether it failed since what is prepared does not serve any more; if so it will be prepared anew. */
  #isStale(name: string | undefined, text: string, error: unknown): boolean {
    if (name === undefined || !(error instanceof pg.DatabaseError)) return false;
    const isGone = error.code === UNKNOWN_PREPARED && this.#line.prepared.has(name);
    if (isGone || error.code === KNOWN_PREPARED) this.#texts?.lostPrepared(this.#node);
    // A definition has changed (source, plancache.c); or it never came to be, since the first to prepare it failed.
    const isStale = error.routine === 'RevalidateCachedQuery' || PREPARED.has(error.code ?? '');
    if (isStale) this.#line.prepared.renew(text, name);
    return isStale;
  }

  async reset(): Promise<void> {
    await this.query('DISCARD ALL');
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
