import { EventEmitter } from 'node:events';
import pg from 'pg';
import { toStatement, type QueryResult, type Statement } from '../query.js';
import type { BoundCalls, ClientCalls } from '../session/client-calls.js';

export type Callback<T> = (error: Error | undefined | null, result?: T) => void;

/** What submits itself to a client: a cursor, a stream, a `pg.Query`. */
export interface Submittable {
  submit(connection: unknown): unknown;
  text?: string;
  cursor?: { readonly text?: string };
  callback?: Callback<unknown>;
}

export type QueryConfig = string | Statement | Submittable;

/** Of the bound connection's client: who listens to the late one hears them. */
const FORWARDED = ['notification', 'notice'] as const;

/**
 * A client as `pg.Client` is one, without a connection until a statement needs one that others may build on: BEGIN, a
 * write, a SET. Until then each statement goes where it may, and from then on all go there, until it is released.
 */
export class LateClient extends EventEmitter {
  readonly #calls: ClientCalls;
  readonly #types = new pg.TypeOverrides();
  #hasOwnTypes = false;
  #bound: BoundCalls | undefined;
  /** Statements run one after the other, as on any client. */
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #stopForwarding = () => {};
  /** What `pg.Pool` looks at. */
  _queryable = true;
  _ending = false;

  constructor(calls: ClientCalls) {
    super();
    this.#calls = calls;
  }

  connect(callback?: Callback<this>): Promise<this> | undefined {
    if (!callback) return Promise.resolve(this);
    process.nextTick(() => callback(undefined, this));
    return undefined;
  }

  query(
    config: QueryConfig,
    values?: readonly unknown[] | Callback<QueryResult>,
    callback?: Callback<QueryResult>,
  ): unknown {
    if (config === null || config === undefined)
      throw new TypeError('Client was passed a null or undefined query');
    const told = typeof values === 'function' ? values : callback;
    if (isSubmittable(config)) {
      if (told && !config.callback) config.callback = told as Callback<unknown>;
      this.#submit(config);
      return config;
    }
    const run = () => {
      const given = toStatement(config, typeof values === 'function' ? undefined : values);
      return this.#run(this.#hasOwnTypes && !given.types ? { ...given, types: this } : given);
    };
    const running = this.#inTurn(run);
    const inConfig = (config as { callback?: Callback<QueryResult> }).callback ?? told;
    if (!inConfig) return running;
    running.then(
      (result) => later(inConfig, undefined, result),
      (error: Error) => later(inConfig, error),
    );
    return undefined;
  }

  /** Gives back what it is bound to, behind the statements of its user that still wait. The next one decides anew. */
  unbind(): void {
    if (!this.#bound && this.#pending === 0) return;
    const giveBack = async () => {
      const bound = this.#bound;
      this.#bound = undefined;
      this.#stopForwarding();
      await bound?.release();
    };
    // It is nobody's to wait for.
    void this.#inTurn(giveBack).catch(() => {});
  }

  end(callback?: Callback<void>): Promise<void> | undefined {
    this._ending = true;
    this._queryable = false;
    this.unbind();
    if (callback) this.once('end', () => callback(undefined));
    const over = this.#tail.then(() => void this.emit('end'));
    return callback ? undefined : over;
  }

  get processID(): number | null {
    const client =
      this.#bound?.isOver === false ? (this.#bound.takeClient() as { processID?: number }) : undefined;
    return client?.processID ?? null;
  }

  getTypeParser(...args: Parameters<pg.TypeOverrides['getTypeParser']>) {
    return this.#types.getTypeParser(...args);
  }

  setTypeParser(...args: Parameters<pg.TypeOverrides['setTypeParser']>): void {
    this.#hasOwnTypes = true;
    this.#types.setTypeParser(...args);
  }

  escapeIdentifier(text: string): string {
    return pg.escapeIdentifier(text);
  }

  escapeLiteral(text: string): string {
    return pg.escapeLiteral(text);
  }

  /** The pool's connections are none that keep the process alive or not. */
  ref(): void {}

  unref(): void {}

  async #run(statement: Statement): Promise<QueryResult> {
    if (this.#bound?.isOver) this.unbindBlock();
    if (!this.#bound && !this.#calls.mustBind(statement.text)) return this.#calls.query(statement);
    this.#bound ??= await this.#bind(statement.text);
    return this.#bound.query(statement);
  }

  /** The block it was bound to has ended with its COMMIT. */
  private unbindBlock(): void {
    this.#bound = undefined;
  }

  async #bind(text: string): Promise<BoundCalls> {
    const bound = await this.#calls.bind(text);
    if (FORWARDED.some((event) => this.listenerCount(event) > 0)) {
      const client = bound.takeClient() as EventEmitter;
      const forwards = FORWARDED.map(
        (event) => [event, (payload: unknown) => this.emit(event, payload)] as const,
      );
      for (const [event, forward] of forwards) client.on(event, forward);
      this.#stopForwarding = () => {
        for (const [event, forward] of forwards) client.off(event, forward);
      };
    }
    return bound;
  }

  /** It speaks with the connection itself, so it has one to itself. */
  #submit(query: Submittable): void {
    void this.#inTurn(async () => {
      const text = query.text ?? query.cursor?.text ?? '';
      const bound = this.#bound ?? (await this.#bind(text));
      // A block of a transaction has no client to give: then it is bound to nothing.
      const client = bound.takeClient() as pg.Client;
      this.#bound = bound;
      client.query(query as unknown as pg.Submittable);
    }).catch((error: Error) => fail(query, error));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const running = this.#pending === 0 ? work() : this.#tail.then(work);
    this.#pending++;
    this.#tail = running.then(
      () => void this.#pending--,
      () => void this.#pending--,
    );
    return running;
  }
}

export function isSubmittable(config: unknown): config is Submittable {
  return typeof (config as Partial<Submittable> | null)?.submit === 'function';
}

function fail(query: Submittable, error: Error): void {
  const { handleError } = query as { handleError?: (error: Error, connection: unknown) => void };
  if (handleError) handleError.call(query, error, undefined);
  else query.callback?.(error);
}

/** What a callback throws is its caller's, not a rejected promise's. */
export function later<T>(callback: Callback<T>, error: Error | undefined, result?: T): void {
  process.nextTick(() => callback(error, result));
}
