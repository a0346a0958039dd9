import { AsyncLocalStorage } from 'node:async_hooks';
import type { Duration } from '../duration.js';
import type { Lsn } from '../lsn.js';
import type { HeldConnection } from './held-connection.js';
import type { UnitOfWork } from './transaction.js';

export interface ReplicaOptions {
  /** Replicas further behind take no reads of this scope: `'500ms'`, `'2s'`, or seconds. */
  readonly maxLag?: Duration;
  /** What to do when no replica can serve: read from the primary (default), wait, or fail with `NO_REPLICA`. */
  readonly onUnavailable?: 'primary' | 'wait' | 'fail';
  /** Keep one physical connection from the first statement to the end of the scope. */
  readonly session?: boolean;
}

export interface PrimaryOptions {
  /** Keep one physical connection from the first statement to the end of the scope. */
  readonly session?: boolean;
}

/** The replica that a scope reads from, so that its reads never go back in time. Shared with inner scopes. */
export interface Stickiness {
  node: string | undefined;
  /** What that replica was last known to have replayed: another must have as much. */
  atLeast: Lsn | undefined;
}

/** Something that keeps a connection, and gives it back early when the client has hung up. */
export interface Holder {
  abandon(): Promise<void>;
}

/** One request, message or job: what is held for it ends with it. */
export class RequestScope {
  readonly #holders = new Set<Holder>();

  hold(holder: Holder): void {
    this.#holders.add(holder);
  }

  /** It gave back what it held. */
  letGo(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /** Nobody waits for the answer any more: transactions roll back, held connections come back. */
  async abandon(): Promise<void> {
    await Promise.all([...this.#holders].map((holder) => holder.abandon()));
  }
}

/** Where the calls of one asynchronous context go: the scoped connection. Inner scopes copy and change it. */
export interface Scope {
  /** Undefined for calls that nothing decorates. */
  readonly route?: 'replica' | 'primary';
  readonly replica?: ReplicaOptions;
  readonly stickiness?: Stickiness;
  /** The one physical connection, where `session: true` asked for it. */
  readonly held?: HeldConnection;
  /** Inside a transaction everything joins it. */
  readonly transaction?: UnitOfWork;
  readonly request?: RequestScope;
}

export const NO_SCOPE: Scope = {};

export type ScopeStorage = AsyncLocalStorage<Scope>;

export const createScopeStorage = (): ScopeStorage => new AsyncLocalStorage<Scope>();
