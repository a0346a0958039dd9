import pg from 'pg';
import { serialize } from 'pg-protocol';
import type { Clock } from '../clock.js';
import { ConnectionLostError } from '../errors.js';
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
import { endsConnection } from './pg-faults.js';
import { SharedQuery, StatementQuery, type SharedLine } from './pg-queries.js';
import { PreparedStatements, type PreparingConnection } from './prepared-statements.js';

const GOODBYE_MS = 1_000;

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
  readonly #untilReady: (() => void)[] = [];

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
    const asked = toStatement(statement, values);
    const named = this.#named(asked);
    const isAlone = this.transactionStatus === 'I';
    try {
      return await this.#ask<R>(named);
    } catch (error) {
      // The server has not begun with it.
      if (named === asked || !this.#isStale(named.name, named.text, error) || !isAlone) throw error;
      return await this.#ask<R>(asked);
    }
  }

  /** Without values `pg` sends a text by the simple protocol, which takes several statements and prepares none. */
  #named(statement: Statement): Statement {
    const { text, values } = statement;
    if (statement.name !== undefined || values === undefined || values.length === 0) return statement;
    if (this.#texts?.isPreparing !== true || this.#lost) return statement;
    const known = this.#texts.of(text);
    known.used();
    const name = known.isRepeated ? this.#line.prepared.nameOf(known) : undefined;
    return name === undefined ? statement : { ...statement, name };
  }

  async #ask<R>(asked: Statement): Promise<QueryResult<R>> {
    if (this.#lost) throw new ConnectionLostError(this.#node, 'not-sent', this.#lost);
    this.#inFlight++;
    try {
      const result = await new Promise<QueryResult<R>>((resolve, reject) => {
        const query = new StatementQuery<R>(asked, asked.name, (error, result) =>
          error ? reject(error) : resolve(result),
        );
        this.client.query(query as unknown as pg.Submittable);
      });
      if (dropsPrepared(result)) this.#line.prepared.forgetAll();
      return result;
    } catch (error) {
      // It was made where the answer was read: this leads to the caller.
      if (error instanceof Error) Error.captureStackTrace(error);
      const explained = this.#explain(error);
      await this.#recover(asked, error);
      throw explained;
    } finally {
      this.#inFlight--;
    }
  }

  pipeline<R = Row>(statement: Statement, known: KnownText, answered: Answered<R>): void {
    if (this.#lost) {
      answered(new ConnectionLostError(this.#node, 'not-sent', this.#lost));
      return;
    }
    this.#inFlight++;
    known.used();
    this.#send(statement, known, (error, result?: QueryResult<R>) => {
      // Whoever gets the client next may want a cursor or a stream, which `pg` refuses on one that is pipelined.
      if (--this.#inFlight === 0) this.#internals.pipeline = false;
      answered(error, result);
    });
  }

  #send<R>(statement: Statement, known: KnownText, answered: Answered<R>, isFirst = true): void {
    // First: a statement that has to make room for this one is closed on the way of the others.
    this.#internals.pipeline = true;
    // Sent again without a name: behind a proxy the next one could be gone as well.
    const isNamed =
      isFirst && this.#texts?.isPreparing === true && (known.isRepeated || statement.name !== undefined);
    const name = isNamed ? this.#line.prepared.nameOf(known) : undefined;
    const query = new SharedQuery<R>(statement, name, this.#line, (error, result) => {
      if (!error) {
        answered(undefined, result);
        return;
      }
      const explained = this.#explain(error);
      this.#whenReady(() => {
        // What is read outside a transaction may be asked again.
        if (isFirst && !this.#lost && this.#isStale(name, known.text, error))
          this.#send(statement, known, answered, false);
        else answered(explained);
      });
    });
    this.client.query(query as unknown as pg.Submittable);
  }

  /** An error comes a moment before the server is ready for what follows. */
  #whenReady(task: () => void): void {
    if (this.#lost || !this.#isAwaitingReady) {
      task();
      return;
    }
    // One listener for all: values that can't be sent may be many at a time.
    if (this.#untilReady.push(task) > 1) return;
    const { connection } = this.client;
    const over = () => {
      connection.off('readyForQuery', over).off('end', over);
      for (const due of this.#untilReady.splice(0)) due();
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

  /**
   * `pg` rejects with the error itself. The server says a moment later that it is ready, and how the
   * transaction stands: only then can the connection be judged.
   */
  async #recover({ name }: Statement, error: unknown): Promise<void> {
    // With more in flight it stays busy, and that they are ready says nothing of this one.
    if (this.#lost || this.#inFlight > 1 || !this.#isAwaitingReady) return;
    await new Promise<void>((resolve) => this.#whenReady(resolve));
    // A value could not be sent: `pg` closed the statement on the server and goes on believing in it.
    if (name !== undefined && !(error instanceof pg.DatabaseError)) this.#line.prepared.forget(name);
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

/** Of several statements in one text there are several results. */
function dropsPrepared(result: QueryResult | readonly QueryResult[]): boolean {
  if (!('command' in result)) return result.some(dropsPrepared);
  return DROPS_PREPARED.test(result.command);
}
