import type { Clock } from '../clock.js';
import { ConnectionLostError } from '../errors.js';
// Types only: the fake has the shape of the port and shares no code with what stands behind it.
// oxlint-disable-next-line no-restricted-imports
import type {
  Answered,
  Backend,
  ConnectionListener,
  ConnectOptions,
  Driver,
  DriverConnection,
  ServerIdentity,
  TransactionStatus,
} from '../pool/driver.js';
// oxlint-disable-next-line no-restricted-imports
import type { Group } from '../pool/group.js';
import { toStatement, type QueryField, type QueryResult, type Row, type Statement } from '../query.js';

/** What a statement gets: rows, an error of the server, or a promise of either. */
export type FakeAnswer = readonly unknown[] | Error;

/** An attempt to connect that waits for the test, after `FakeDriver.hold()`. */
export interface HeldAttempt {
  readonly options: ConnectOptions;
  /** Opens the connection. Does nothing once the attempt was given up: timed out or aborted. */
  accept(): void;
  refuse(error: Error): void;
}

/**
 * A driver without a server. It opens connections at once, or on command, or refuses; what its connections
 * are asked is recorded and answered with no rows, unless `answer` says otherwise.
 *
 * ```ts
 * const driver = new FakeDriver();
 * driver.refuse(new Error('connection refused'));
 * const pool = new NodePool({ driver, clock: new ManualClock(), … });
 * ```
 */
export class FakeDriver implements Driver {
  /** What happened, in order: `#1 open`, `#1 SELECT 1`, `#1 end`, `refused`, `abandoned`, … */
  readonly trace: string[] = [];
  /** Every connection that was opened, in order. */
  readonly connections: FakeConnection[] = [];
  /** Attempts that wait for the test, oldest first. */
  readonly held: HeldAttempt[] = [];
  /** How many attempts to connect there were. */
  attempts = 0;
  /** Answers the statements of all connections. */
  answer: (statement: Statement, connection: FakeConnection) => FakeAnswer | Promise<FakeAnswer> = () => [];
  /** What a connection says of its server when it opens, by `in_hot_standby`; nothing unless set. */
  inHotStandby: boolean | undefined;
  /** What a connection says of its server where it is asked when it opens. */
  identity: (options: ConnectOptions) => ServerIdentity | undefined = () => undefined;
  /** The id that is noted of a transaction before its COMMIT. */
  xid: string | undefined;
  /** Those that a shared call is answered together with. */
  group: Group | undefined;
  #next: 'accept' | 'hold' | Error = 'accept';

  /** From now on connections open at once. */
  accept(): void {
    this.#next = 'accept';
  }

  /** From now on attempts fail at once. */
  refuse(error: Error): void {
    this.#next = error;
  }

  /** From now on attempts wait in `held`, within their own timeout. */
  hold(): void {
    this.#next = 'hold';
  }

  /** The connections that are open. */
  get open(): readonly FakeConnection[] {
    return this.connections.filter((connection) => connection.isOpen);
  }

  async connect(options: ConnectOptions, clock: Clock, signal?: AbortSignal): Promise<DriverConnection> {
    this.attempts++;
    signal?.throwIfAborted();
    if (this.#next === 'accept') return this.#open(options);
    if (this.#next === 'hold') return this.#hold(options, clock, signal);
    this.trace.push('refused');
    throw this.#next;
  }

  #open(options: ConnectOptions): FakeConnection {
    const connection = new FakeConnection(this, this.connections.length + 1, options, this.inHotStandby);
    this.connections.push(connection);
    this.trace.push(`#${connection.id} open`);
    return connection;
  }

  #hold(options: ConnectOptions, clock: Clock, signal: AbortSignal | undefined): Promise<FakeConnection> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void) => {
        const place = this.held.indexOf(attempt);
        if (place < 0) return;
        this.held.splice(place, 1);
        timeout.cancel();
        signal?.removeEventListener('abort', abort);
        outcome();
      };
      const giveUp = (error: Error) => {
        this.trace.push('abandoned');
        reject(error);
      };
      const abort = () => settle(() => giveUp(toError(signal?.reason)));
      const attempt: HeldAttempt = {
        options,
        accept: () => settle(() => resolve(this.#open(options))),
        refuse: (error) =>
          settle(() => {
            this.trace.push('refused');
            reject(error);
          }),
      };
      const { connectionTimeoutMs } = options;
      const timeout = clock.setTimer(
        () => settle(() => giveUp(new Error(`no connection within ${connectionTimeoutMs} ms`))),
        connectionTimeoutMs,
      );
      signal?.addEventListener('abort', abort);
      this.held.push(attempt);
    });
  }
}

/** A connection of a `FakeDriver`. `BEGIN`, `COMMIT` and `ROLLBACK` change its transaction status. */
export class FakeConnection implements DriverConnection {
  readonly processId: number;
  readonly backend: Backend;
  readonly client: unknown = this;
  readonly isGathering = false;
  /** What ran on it, `DISCARD ALL` of a reset included. */
  readonly statements: string[] = [];
  transactionStatus: TransactionStatus = 'I';
  readonly identity: ServerIdentity | undefined;
  readonly #driver: FakeDriver;
  readonly #inFlight = new Set<(error: Error) => void>();
  #listener: ConnectionListener | undefined;
  #inHotStandby: boolean | undefined;
  #lost: Error | undefined;
  #hasEnded = false;
  #answers: Promise<void> = Promise.resolve();

  /** @internal Connections are made by their driver. */
  constructor(
    driver: FakeDriver,
    readonly id: number,
    readonly options: ConnectOptions,
    inHotStandby: boolean | undefined,
  ) {
    this.#driver = driver;
    this.processId = id;
    this.backend = { processId: id, clientPort: -1 };
    this.#inHotStandby = inHotStandby;
    this.identity = options.identify === true ? driver.identity(options) : undefined;
  }

  get isBusy(): boolean {
    return this.#inFlight.size > 0;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  get isOpen(): boolean {
    return !this.#lost && !this.#hasEnded;
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
    if (this.#inHotStandby !== undefined) listener.role(this.#inHotStandby);
    if (this.#lost) listener.lost(this.#lost);
  }

  /** Breaks it, as a network or a dying server does: what is in flight fails with an unknown outcome. */
  break(cause = new Error('the connection broke')): void {
    if (!this.isOpen) return;
    this.#driver.trace.push(`#${this.id} lost`);
    this.#lose(cause);
    this.#listener?.lost(cause);
  }

  /** The server says whether it is in hot standby. */
  reportRole(inHotStandby: boolean): void {
    this.#inHotStandby = inHotStandby;
    this.#listener?.role(inHotStandby);
  }

  async query<R = Row>(statement: string | Statement, values?: readonly unknown[]): Promise<QueryResult<R>> {
    const { node } = this.options;
    if (this.#lost) throw new ConnectionLostError(node, 'not-sent', this.#lost);
    if (this.#hasEnded) throw new Error('Client was closed and is not queryable');
    const asked = toStatement(statement, values);
    this.statements.push(asked.text);
    this.#driver.trace.push(`#${this.id} ${asked.text}`);
    const answer = await this.#ask(asked);
    this.#follow(asked.text, answer instanceof Error);
    if (answer instanceof Error) throw answer;
    const [command = ''] = asked.text.toUpperCase().split(' ', 1);
    return { rows: [...answer] as R[], rowCount: answer.length, command, fields: fieldsOf(answer, command) };
  }

  ask<R = Row>(statement: Statement, answered: Answered<R>): void {
    this.query<R>(statement).then(
      (result) => answered(undefined, result),
      (error: unknown) => answered(error),
    );
  }

  pipeline<R = Row>(statement: Statement, _known: unknown, answered: Answered<R>): Group | undefined {
    const running = this.query<R>(statement);
    // Answers come in the order of the questions, whenever they are ready.
    this.#answers = this.#answers.then(async () => {
      const [outcome] = await Promise.allSettled([running]);
      if (outcome.status === 'fulfilled') answered(undefined, outcome.value);
      else answered(outcome.reason);
    });
    const { group } = this.#driver;
    group?.join();
    return group;
  }

  async commit(noted: (xid: string) => void): Promise<QueryResult> {
    const { xid } = this.#driver;
    if (xid !== undefined && this.transactionStatus === 'T') noted(xid);
    return this.query('COMMIT');
  }

  async reset(): Promise<void> {
    await this.query('DISCARD ALL');
  }

  async end(): Promise<void> {
    if (!this.isOpen) return;
    this.#hasEnded = true;
    this.#driver.trace.push(`#${this.id} end`);
  }

  destroy(cause = new Error('the connection was cut on purpose')): void {
    if (!this.isOpen) return;
    this.#driver.trace.push(`#${this.id} destroy`);
    this.#lose(cause);
  }

  #ask(statement: Statement): Promise<FakeAnswer> {
    return new Promise((resolve, reject) => {
      this.#inFlight.add(reject);
      const over = () => this.#inFlight.delete(reject);
      void new Promise<FakeAnswer>((settle) => settle(this.#driver.answer(statement, this))).then(
        (answer) => (over(), resolve(answer)),
        (error: unknown) => (over(), reject(toError(error))),
      );
    });
  }

  #lose(cause: Error): void {
    this.#lost = cause;
    const error = new ConnectionLostError(this.options.node, 'unknown', cause);
    for (const fail of this.#inFlight) fail(error);
    this.#inFlight.clear();
  }

  #follow(text: string, hasFailed: boolean): void {
    if (hasFailed) {
      if (this.transactionStatus === 'T') this.transactionStatus = 'E';
    } else if (/^begin\b/i.test(text)) this.transactionStatus = 'T';
    else if (/^(commit|rollback)$/i.test(text)) this.transactionStatus = 'I';
  }
}

function fieldsOf([row]: readonly unknown[], command: string): QueryField[] {
  const names = typeof row === 'object' && row !== null ? Object.keys(row) : [];
  // A query has columns even where it finds no row.
  const columns = names.length === 0 && command === 'SELECT' ? ['?column?'] : names;
  return columns.map((name, index) => ({ name, dataTypeID: 25, tableID: 0, columnID: index + 1 }));
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
