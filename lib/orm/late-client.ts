import { EventEmitter } from 'node:events';
import pg from 'pg';
import { toError } from '../errors.js';
import { toStatement, type QueryResult, type Statement } from '../query.js';
import type { Bind, BoundCalls, ClientCalls, Legacy } from '../session/client-calls.js';
import { ClientSettings } from './client-settings.js';
import { Forwarding } from './forwarding.js';
import { failSubmitted, isSubmittable, untilDrained, type Submittable } from './submittable.js';

export type Callback<T> = (error: Error | undefined | null, result?: T) => void;

export type QueryConfig = string | Statement | Submittable;

export interface LateClientOptions {
  /** By which its results are read, unless a statement brings its own. */
  readonly types?: pg.CustomTypesConfig | undefined;
}

/**
 * A client as `pg.Client` is one, without a connection until a statement needs one that others may build on. Until
 * then each statement goes where it may, and from then on all go there. What it SETs holds wherever they run.
 */
export abstract class LateClient extends EventEmitter {
  protected readonly calls: ClientCalls;
  readonly #types: pg.TypeOverrides;
  readonly #settings = new ClientSettings();
  #hasOwnTypes: boolean;
  #bound: BoundCalls | undefined;
  #forwarding: Forwarding | undefined;
  /** Statements run one after the other, as on any client. */
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #giveUpSubmitted = () => {};
  /** Somebody has it, who will give back what it is bound to. */
  #isOut = true;
  #wasTaken = false;
  /** What `pg.Pool` and Sequelize look at. */
  _queryable = true;
  _ending = false;
  /** One statement of a client waits for the other. */
  readonly pipeline = false;

  constructor(calls: ClientCalls, { types }: LateClientOptions = {}) {
    super();
    this.calls = calls;
    this.#types = new pg.TypeOverrides(types);
    this.#hasOwnTypes = types !== undefined;
  }

  /** Whether a statement binds the client to the connection it runs on, by what it leaves there. Asked while it has none. */
  protected abstract bindsBy(left: Legacy): boolean;
  /** Whether the connection can go, now that no transaction is open on it. */
  protected abstract isDoneWith(bound: BoundCalls): boolean;

  /** Somebody has it now. What it SET at its connect holds for all who will, as on a server session of its own. */
  take(): void {
    this.#isOut = true;
    if (this.#wasTaken) return;
    this.#wasTaken = true;
    if (this.#pending === 0) this.#settings.keep();
    else void this.#inTurn(async () => this.#settings.keep());
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
    const mayBind = this.#isOut;
    // Who calls is known only now; where it runs at once, that need not be noted before it does bind.
    const bind = this.#pending > 0 ? this.#binder() : undefined;
    const inConfig = (config as { callback?: Callback<QueryResult> }).callback ?? told;
    const running = this.#inTurn(() => {
      const given = toStatement(config, typeof values === 'function' ? undefined : values);
      const statement = this.#hasOwnTypes && !given.types ? { ...given, types: this } : given;
      return this.#run(statement, mayBind, bind);
    }, inConfig);
    return inConfig ? undefined : running;
  }

  /** Gives back what it is bound to, behind the statements of its user that still wait, and forgets what that SET. */
  unbind(): void {
    this.#isOut = false;
    this.#giveUpSubmitted();
    this.#forwarding?.stop();
    if (this.#pending === 0 && !this.#bound) {
      this.#settings.restore();
      return;
    }
    const giveBack = async () => {
      this.#settings.restore();
      await this.#letGo();
    };
    // It is nobody's to wait for.
    void this.#inTurn(giveBack).catch(() => {});
  }

  end(callback?: Callback<void>): Promise<void> | undefined {
    this.unbind();
    this._ending = true;
    this._queryable = false;
    if (callback) this.once('end', () => callback(undefined));
    const over = this.#tail.then(() => void this.emit('end'));
    return callback ? undefined : over;
  }

  /** Of the server process it is bound to on the primary; a read's is nobody's to cancel. */
  get processID(): number | null {
    const { client, isForReads } = this.#bound ?? {};
    return isForReads === false ? ((client as { processID?: number } | undefined)?.processID ?? null) : null;
  }

  getTypeParser(oid: number, format?: 'text' | 'binary') {
    return this.#types.getTypeParser(oid, format);
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

  /**
   * @param mayBind Not where nobody would give back what it were bound to: then it is a call like any other.
   * @param bind For who called, where that was before.
   */
  #run(statement: Statement, mayBind: boolean, bind: Bind | undefined): Promise<QueryResult> {
    const { text } = statement;
    const left = this.calls.legacyOf(text);
    if (this.#bound || (mayBind && (left === 'settings' || this.bindsBy(left))))
      return this.#runBound(statement, left, mayBind ? (bind ?? this.#binder()) : undefined);
    // As most do: it costs no promise of ours.
    try {
      return this.calls.query(this.#withSettings(statement));
    } catch (error) {
      return Promise.reject(toError(error));
    }
  }

  /** With what this client has SET. */
  #withSettings(statement: Statement): Statement {
    const settings = this.#settings.text;
    return settings === undefined ? statement : { ...statement, settings };
  }

  async #runBound(statement: Statement, left: Legacy, bind: Bind | undefined): Promise<QueryResult> {
    const { text } = statement;
    const bound = await this.#boundFor(left);
    if (!bound && bind && left === 'settings') {
      this.#settings.set(this.calls.settingsIn(text), text);
      return { command: 'SET', rowCount: null, rows: [], fields: [] };
    }
    const given = this.#withSettings(statement);
    const running = bound ?? (bind && this.bindsBy(left) ? await this.#bind(text, bind) : undefined);
    if (!running) return this.calls.query(given);
    try {
      return await running.query(given);
    } finally {
      const isDone = running.state === 'idle' && this.isDoneWith(running);
      const wasInVain = running.state === 'lost' && !bound;
      if (running.state === 'over' || isDone || wasInVain) await this.#letGo();
    }
  }

  /** What it is bound to, unless that can't serve a statement. */
  async #boundFor(left: Legacy): Promise<BoundCalls | undefined> {
    const bound = this.#bound;
    const isUnfit = bound?.isForReads === true && bound.state === 'idle' && left !== 'nothing';
    if (bound?.state === 'over' || isUnfit) await this.#letGo();
    return this.#bound;
  }

  /** For who calls now; nearly none needs one while it is bound. */
  #binder(): Bind | undefined {
    if (!this.#isOut) return undefined;
    return this.#bound ? (text) => this.calls.binder()(text) : this.calls.binder();
  }

  async #bind(text: string, bind: Bind): Promise<BoundCalls> {
    const bound = await bind(text);
    this.#bound = bound;
    this.#forwarding = new Forwarding(this, () =>
      this.#isOut ? (bound.client as EventEmitter | undefined) : undefined,
    );
    return bound;
  }

  async #letGo(): Promise<void> {
    this.#forwarding?.stop();
    this.#forwarding = undefined;
    const bound = this.#bound;
    this.#bound = undefined;
    await bound?.release();
  }

  /** It speaks with the connection itself, so it has one to itself. */
  #submit(query: Submittable): void {
    const binder = this.#binder();
    const bind = binder ?? this.calls.binder();
    void this.#inTurn(async () => {
      const text = query.text ?? query.cursor?.text ?? '';
      const left = this.calls.legacyOf(text);
      const wasBound = await this.#boundFor(left);
      if (!wasBound) this.bindsBy(left);
      const bound = wasBound ?? (await this.#bind(text, bind));
      try {
        const client = (await bound.takeClient()) as pg.Client;
        const settings = wasBound ? undefined : this.#settings.text;
        if (settings !== undefined) await client.query(settings);
        client.query(query as unknown as pg.Submittable);
        await untilDrained(client, (giveUp) => (this.#giveUpSubmitted = giveUp));
      } finally {
        // In a transaction that it joined the connection is not its own to keep.
        const isDone = !binder || this.isDoneWith(bound) || this.calls.isJoined();
        if (!wasBound && isDone) await this.#letGo();
      }
    }).catch((error: Error) => failSubmitted(query, error));
  }

  /** @param told How it ends, for who does not wait for the promise. */
  #inTurn<T>(work: () => Promise<T>, told?: Callback<T>): Promise<T> {
    const running = this.#begin(work);
    this.#pending++;
    this.#tail = told ? this.#tell(running, told) : running.then(this.#isOver, this.#isOver);
    return running;
  }

  #begin<T>(work: () => Promise<T>): Promise<T> {
    if (this._ending) return Promise.reject(new Error('Client was closed and is not queryable'));
    return this.#pending === 0 ? work() : this.#tail.then(work);
  }

  #tell<T>(running: Promise<T>, told: Callback<T>): Promise<void> {
    return running.then(
      (result) => {
        this.#isOver();
        tell(told, undefined, result);
      },
      (error: Error) => {
        this.#isOver();
        tell(told, error);
      },
    );
  }

  readonly #isOver = (): void => void this.#pending--;
}

/** What a callback throws is its caller's, not a rejected promise's. */
export function tell<T>(callback: Callback<T>, error: Error | undefined, result?: T): void {
  try {
    callback(error, result);
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown;
    });
  }
}
