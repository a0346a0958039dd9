import pg from 'pg';
import { serialize } from 'pg-protocol';
import type { Clock } from '../clock.js';
import { ConnectionLostError, leadToCaller, NotReplicatedError, toError } from '../errors.js';
import { toStatement, type QueryResult, type Row, type Statement } from '../query.js';
import type {
  Again,
  Answered,
  Backend,
  ConnectionListener,
  ConnectOptions,
  DriverConnection,
  ServerIdentity,
  TransactionStatus,
} from './driver.js';
import { SkippedError, type Group } from './group.js';
import { inCommon } from './in-common.js';
import type { KnownText, KnownTexts } from './known-texts.js';
import { Outbox } from './outbox.js';
import { DescribedColumns } from './pg-columns.js';
import type { OpenClient } from './pg-internals.js';
import { endsConnection, isOfGroup, isOfStaleName, isOfText, losesPrepared } from './pg-faults.js';
import { StatementQuery, type Line } from './pg-queries.js';
import { Readiness } from './pg-readiness.js';
import { TransactionId } from './transaction-id.js';
import { dropsPrepared, PreparedStatements } from './prepared-statements.js';

const GOODBYE_MS = 1_000;

const IDENTITY = `
  SELECT extract(epoch FROM pg_postmaster_start_time())::text AS "startedAt",
    to_json(current_schemas(true))::text AS "searchPath"`;

/** Where the server waits for a synchronous standby; the texts of its notices are in its language. */
const SYNC_WAIT = 'SyncRepWaitForLSN';

const PROCESS_ID = 'SELECT pg_backend_pid() AS id';

/** As the server names it, whatever type parsers the caller has set. */
const AS_TEXT = { getTypeParser: () => (value: unknown) => value };

/** How a statement is sent. */
interface Manner {
  readonly name?: string | undefined;
  /** It may be sent again, where the server has not begun with it. */
  readonly mayRepeat: boolean;
  /** It may be answered together with others. */
  readonly isGrouped?: boolean;
  /** Asked before it is sent again: whether anybody still waits for it. */
  readonly again?: Again | undefined;
}

/** A client of `pg` as a connection of a pool. */
export class PgConnection implements DriverConnection {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #texts: KnownTexts | undefined;
  readonly #line: Line;
  readonly #readiness: Readiness;
  #abandonOpening: ((cause: Error) => void) | undefined;
  #listener: ConnectionListener | undefined;
  #inHotStandby: boolean | undefined;
  #identity: ServerIdentity | undefined;
  #lost: Error | undefined;
  #ending = false;
  readonly #transactionId = new TransactionId();
  #inFlight = 0;
  /** The server has committed and was kept from waiting for a standby: it says so before it is ready again. */
  #hasNotWaited = false;
  #wasServerAsked = false;

  constructor(
    readonly client: pg.Client,
    { node, texts }: ConnectOptions,
    clock: Clock,
  ) {
    this.#node = node;
    this.#clock = clock;
    this.#texts = texts;
    this.#readiness = new Readiness(client, () => this.isLost);
    const outbox = new Outbox(() => client.connection.stream);
    const close = (name: string) => {
      outbox.endGroup();
      // What follows brings the answer with it.
      outbox.put(serialize.close({ type: 'S', name }));
    };
    const prepared = new PreparedStatements(this.#internals.connection, close);
    this.#line = { outbox, prepared, described: new DescribedColumns() };
    client.on('error', (error) => this.#markLost(error));
    client.on('end', () => this.#markLost(new Error('the connection was closed')));
    client.on('notice', ({ routine }) => {
      if (routine === SYNC_WAIT) this.#hasNotWaited = true;
    });
    client.connection.on('parameterStatus', (status: { parameterName: string; parameterValue: string }) => {
      if (status.parameterName !== 'in_hot_standby') return;
      this.#inHotStandby = status.parameterValue === 'on';
      this.#listener?.role(this.#inHotStandby);
    });
  }

  get #internals(): OpenClient {
    return this.client as unknown as OpenClient;
  }

  get processId(): number | undefined {
    return this.#internals.processID ?? undefined;
  }

  get backend(): Backend | undefined {
    const { processId } = this;
    if (processId === undefined || !this.#line.prepared.hasOneServer) return undefined;
    const { stream } = this.client.connection;
    return { processId, clientPort: 'localPort' in stream ? Number(stream.localPort ?? -1) : -1 };
  }

  get transactionStatus(): TransactionStatus {
    return this.client.getTransactionStatus() ?? 'I';
  }

  get isBusy(): boolean {
    return this.#inFlight > 0 || this.#readiness.isAwaited;
  }

  get isGathering(): boolean {
    return this.#line.outbox.isFilling;
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
      const { rows } = await this.query<ServerIdentity>({ text: IDENTITY, types: AS_TEXT });
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
    const { name = this.#nameFor(statement) } = statement;
    const isOutside = this.transactionStatus === 'I';
    if (isOutside) this.#transactionId.forget();
    this.#send(statement, { name, mayRepeat: statement.name === undefined && isOutside }, answered);
  }

  /** Without values a text goes by the simple protocol, which takes several statements and prepares none. */
  #nameFor({ text, values }: Statement): string | undefined {
    if (values === undefined || values.length === 0 || this.#texts?.isPreparing !== true) return undefined;
    const known = this.#texts.of(text);
    known.used();
    return known.isRepeated ? this.#line.prepared.nameOf(known) : undefined;
  }

  async commit(noted: (xid: string) => void): Promise<QueryResult> {
    const { xid, isMissing, text } = this.#transactionId;
    if (xid !== undefined) noted(xid);
    // In one that has failed there is nothing to ask for; what is under way was sent past us.
    if (!isMissing || this.transactionStatus !== 'T' || this.isBusy) return this.query('COMMIT');
    // Both go out in one write, and the first is answered before the server begins with the second.
    this.#internals.pipeline = true;
    this.#line.outbox.gather();
    this.ask<readonly unknown[]>({ text, rowMode: 'array', types: AS_TEXT }, (_error, result) => {
      const [[found] = []] = result?.rows ?? [];
      if (typeof found === 'string') noted(found);
    });
    try {
      return await this.query('COMMIT');
    } finally {
      this.#internals.pipeline = false;
    }
  }

  pipeline<R = Row>(
    statement: Statement,
    known: KnownText,
    answered: Answered<R>,
    again?: Again,
  ): Group | undefined {
    if (this.#lost) {
      answered(new ConnectionLostError(this.#node, 'not-sent', this.#lost));
      return undefined;
    }
    known.used();
    const isNamed = this.#texts?.isPreparing === true && (known.isRepeated || statement.name !== undefined);
    const common = isNamed ? inCommon(statement, known) : undefined;
    const sent = common ?? statement;
    const name = isNamed && sent.text === known.text ? this.#line.prepared.nameOf(known) : undefined;
    this.#share(true);
    const over: Answered<R> = (error, result) => {
      // Whoever gets the client next may want a cursor or a stream, which `pg` refuses on one that is pipelined.
      if (this.#inFlight === 0) this.#share(false);
      if (error instanceof pg.DatabaseError) known.failed();
      answered(error, result);
    };
    // What is read outside a transaction may be asked again.
    const manner = { name, mayRepeat: true, isGrouped: known.isSociable, again };
    return this.#send<R>(sent, manner, (error, result) => {
      if (!common || this.#lost || !isOfText(error) || again?.() === false) {
        over(error, result);
        return;
      }
      // As it was written it may be right, or fail with an error that shows where.
      known.alike?.giveUp();
      this.#send<R>(statement, { mayRepeat: true, again }, over);
    });
  }

  #share(isShared: boolean): void {
    this.#internals.pipeline = isShared;
    this.#line.outbox.isShared = isShared;
  }

  #forgetPrepared(): void {
    this.#line.prepared.forgetAll();
    this.#transactionId.forgetPrepared();
  }

  #send<R>(statement: Statement, manner: Manner, answered: Answered<R>): Group | undefined {
    const { text, values } = statement;
    const { name, mayRepeat, isGrouped = false, again } = manner;
    if (name !== undefined && !this.#wasServerAsked && this.transactionStatus === 'I') this.#askWhichServer();
    this.#inFlight++;
    const isExtended = (values !== undefined && values.length > 0) || name !== undefined;
    const id = this.transactionStatus === 'T' ? this.#transactionId : undefined;
    // Behind a proxy it could be gone, and take the transaction with it.
    const mayPrepare = this.#texts?.isPreparing === true && this.#line.prepared.hasOneServer;
    const brought = id?.isWantedWith(text, isExtended) === true ? { of: id, mayPrepare } : undefined;
    const how = { name, id: brought, isAlone: this.#inFlight === 1, isGrouped };
    const query = new StatementQuery<R>(statement, how, this.#line, (error, result) => {
      if (!error) {
        this.#inFlight--;
        if (dropsPrepared(result)) this.#forgetPrepared();
        if (this.#hasNotWaited) answered(this.#notReplicated());
        else answered(undefined, result);
        return;
      }
      if (error instanceof SkippedError) {
        this.#inFlight--;
        // Without a name: under that, what failed may have been closed, or what was to be prepared was not.
        if (again?.() === false) answered(error);
        else this.#send(statement, { mayRepeat, again }, answered);
        return;
      }
      const explained = this.#explain(error);
      this.#readiness.afterError(error, () => {
        this.#inFlight--;
        const isOfManner = this.#isStale(name, statement.text, error) || (isGrouped && isOfGroup(error));
        // Without a name: behind a proxy the next one could be gone as well.
        if (isOfManner && mayRepeat && !this.#lost && again?.() !== false)
          this.#send(statement, { mayRepeat: false, again }, answered);
        else answered(explained);
      });
    });
    this.client.query(query as unknown as pg.Submittable);
    return query.group;
  }

  /** Goes ahead of the first name: is who answers who greeted us, or does a proxy pass us on? */
  #askWhichServer(): void {
    this.#wasServerAsked = true;
    this.#send<{ id: string }>({ text: PROCESS_ID, types: AS_TEXT }, { mayRepeat: false }, (_, result) => {
      this.#line.prepared.hasOneServer = result?.rows[0]?.id === String(this.processId);
    });
  }

  /** Whether it failed since what is prepared does not serve any more; if so it will be prepared anew. */
  #isStale(name: string | undefined, text: string, error: unknown): boolean {
    if (name === undefined || !(error instanceof pg.DatabaseError)) return false;
    const isPrepared = this.#line.prepared.textOf(name) !== undefined;
    if (losesPrepared(error, isPrepared)) this.#texts?.lostPrepared(this.#node);
    const isStale = isOfStaleName(error, isPrepared);
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

  #notReplicated(): NotReplicatedError {
    this.#hasNotWaited = false;
    return new NotReplicatedError(this.#node);
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
    if (!this.#lost) return error;
    return this.#hasNotWaited
      ? new NotReplicatedError(this.#node, this.#lost)
      : new ConnectionLostError(this.#node, 'unknown', this.#lost);
  }
}
