import { AsyncResource } from 'node:async_hooks';
import pg from 'pg';
import { toStatement, type QueryResult, type Statement } from '../query.js';
import type { ClientCalls, Legacy } from '../session/client-calls.js';
import { LateClient, tell, type Callback, type LateClientOptions, type QueryConfig } from './late-client.js';
import { isSubmittable } from './submittable.js';
import { WeakClients } from './weak-clients.js';

export interface ClusterPoolOptions extends pg.PoolConfig {
  /** The most clients that are out at a time; others wait. Within a transaction nobody does: who holds one may wait for it. */
  readonly max: number;
  /** How long they wait, in milliseconds. */
  readonly connectionTimeoutMillis: number;
  /** What an ORM asks for by name; nothing connects by it. */
  readonly database: string;
}

/** Of a crowd that has gone, so many clients are kept: a new one costs little. */
const MOST_IDLE = 100;

type Acquired = (error: Error | undefined, client?: pg.PoolClient, release?: () => void) => void;

/** As `pg.Pool` keeps it. */
interface IdleClient {
  readonly client: pg.PoolClient;
  readonly idleListener: (error: Error) => void;
  readonly timeoutId: NodeJS.Timeout | undefined;
}

/** What of `pg.Pool` its types leave out. */
interface Internals {
  readonly ending: boolean;
  /** The last one that came back is the next to go. */
  readonly _idle: IdleClient[];
  _acquireClient(
    client: pg.PoolClient,
    asker: { readonly callback: Acquired; readonly timedOut: boolean },
    idleListener: IdleClient['idleListener'],
    isNew: boolean,
  ): void;
  _clients: WeakClients<object>;
  /** Serves who waits, where that can be done now. */
  _pulseQueue(): void;
}

/** It keeps the connection that it was bound to until it is released. */
class PooledClient extends LateClient {
  protected bindsBy(left: Legacy): boolean {
    return left !== 'nothing' && left !== 'settings';
  }

  protected isDoneWith(): boolean {
    return false;
  }
}

/**
 * A `pg.Pool` over a cluster: what an ORM does with it goes to replicas and primary as calls of the cluster do. Its
 * clients are light, and have a connection only while they need one; `end()` ends the face, not the cluster.
 */
export class ClusterPool extends pg.Pool {
  /** @internal What more pools over the same cluster are made of. */
  readonly calls: ClientCalls;
  /** Calls that no client was taken for. */
  #running = 0;
  #settled: (() => void) | undefined;

  constructor(calls: ClientCalls, options: ClusterPoolOptions) {
    class Client extends PooledClient {
      constructor(given: LateClientOptions) {
        super(calls, given);
      }
    }
    super({
      idleTimeoutMillis: 0,
      ...options,
      Client: Client as unknown as new () => pg.ClientBase,
    });
    this.calls = calls;
    const internals = this as unknown as Internals;
    internals._clients = new WeakClients(() => internals._pulseQueue());
    this.on('acquire', (client) => (client as unknown as LateClient).take());
    this.on('release', (_error, client) => {
      const late = client as unknown as LateClient;
      late.unbind();
      if (this.idleCount >= MOST_IDLE) late._queryable = false;
    });
  }

  /** What `pg.Pool` asks before it makes one wait. */
  _isFull(): boolean {
    return this.totalCount >= this.options.max && !this.calls.isJoined();
  }

  /** Who finds a client idle gets it in his own context, and needs no timer, as who may have to wait does. */
  // oxlint-disable-next-line typescript/no-explicit-any
  override connect(callback?: any): any {
    const { ending, _idle } = this as unknown as Internals;
    const idle = ending || this.waitingCount > 0 ? undefined : _idle.pop();
    // One that comes free calls back from where it was released.
    if (!idle) return callback ? super.connect(inContext(callback)) : super.connect();
    if (callback) return this.#acquire(idle, callback);
    return new Promise((resolve, reject) => {
      this.#acquire(idle, (error, client) => (error ? reject(error) : resolve(client)));
    });
  }

  #acquire({ client, idleListener, timeoutId }: IdleClient, callback: Acquired): void {
    clearTimeout(timeoutId);
    const pool = this as unknown as Internals;
    const asker = { callback, timedOut: false };
    process.nextTick(() => pool._acquireClient(client, asker, idleListener, false));
  }

  // The overloads of `pg` can't be told apart by a type of ours.
  // oxlint-disable-next-line typescript/no-explicit-any
  override query(config: any, values?: any, callback?: any): any {
    if (!this.#isShort(config)) return super.query(config, values, callback && inContext(callback));
    const told: Callback<QueryResult> | undefined = typeof values === 'function' ? values : callback;
    const running = this.#ask(
      config as string | Statement,
      typeof values === 'function' ? undefined : values,
    );
    if (!told) return running;
    running.then(
      (result) => tell(told, undefined, result),
      (error: Error) => tell(told, error),
    );
  }

  /** Straight to the cluster, where nobody listens to the comings and goings of clients. */
  #isShort(config: QueryConfig): boolean {
    if (typeof config === 'function' || isSubmittable(config) || (this as unknown as Internals).ending)
      return false;
    const text = typeof config === 'string' ? config : config?.text;
    if (typeof text === 'string' && this.calls.isOfSession(text)) return false;
    const { types, onConnect, verify } = this.options as ClusterPoolOptions;
    if (types ?? onConnect ?? verify) return false;
    // One of each is our own.
    return (
      this.listenerCount('connect') === 0 &&
      this.listenerCount('acquire') === 1 &&
      this.listenerCount('release') === 1
    );
  }

  #ask(config: string | Statement, values: readonly unknown[] | undefined): Promise<QueryResult> {
    try {
      const running = this.calls.query(toStatement(config, values));
      this.#running++;
      running.then(this.#over, this.#over);
      return running;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  readonly #over = (): void => {
    this.#running--;
    if (this.#running === 0) this.#settled?.();
  };

  /** Ends the face, once what was asked of it is done. */
  // oxlint-disable-next-line typescript/no-explicit-any
  override end(told?: any): any {
    const ended = super.end().then(() => this.#quiet());
    if (!told) return ended;
    ended.then(
      () => tell(told, undefined),
      (error: Error) => tell(told, error),
    );
  }

  async #quiet(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#settled = resolve));
  }
}

/** A callback in the context of who gives it; `AsyncResource.bind` takes many times as long. */
function inContext<A extends unknown[]>(callback: (...args: A) => void): (...args: A) => void {
  const context = new AsyncResource('nestjs-pg-mcp');
  return (...args) => context.runInAsyncScope(callback, undefined, ...args);
}
