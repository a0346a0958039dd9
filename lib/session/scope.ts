import { AsyncLocalStorage } from 'node:async_hooks';
import type { Duration } from '../duration.js';
import type { Consistency } from '../query.js';
import type { Deeds } from './deeds.js';
import type { HeldConnection } from './held-connection.js';
import { Session } from './session.js';
import type { Stickiness } from './stickiness.js';
import type { UnitOfWork } from './unit-of-work.js';

export interface ReplicaOptions {
  /** Replicas further behind take no reads of this scope: `'500ms'`, `'2s'`, or seconds. */
  readonly maxLag?: Duration;
  /** What to do when no replica can serve: read from the primary (default), wait, or fail with `NO_REPLICA`. */
  readonly onUnavailable?: 'primary' | 'wait' | 'fail';
  /** How new what it reads must be; unless given, what the cluster's setting says. */
  readonly consistency?: Consistency;
  /** Keep one physical connection from the first statement to the end of the scope. */
  readonly session?: boolean;
}

export interface PrimaryOptions {
  /** Keep one physical connection from the first statement to the end of the scope. */
  readonly session?: boolean;
}

/** The object whose decorated method opened a scope, and that method as people name it: `OrdersService.create`. */
export interface Owned {
  readonly owner?: object;
  readonly method?: string;
}

/** Something that keeps a connection, and gives it back early when the client has hung up. */
export interface Holder {
  abandon(): Promise<void>;
}

/** One request, message or job, and what is held for it. */
export class RequestScope {
  readonly #holders = new Set<Holder>();
  readonly #leases = new Set<Holder>();

  /**
   * @param session What its reads must have seen; unless given, a fresh one.
   * @param idOf Finds what its logs call it; asked only where that is to be told.
   */
  constructor(
    readonly session: Session = new Session(),
    private readonly idOf: () => string | undefined = () => undefined,
  ) {}

  /** What its logs call it, where that is known. */
  get id(): string | undefined {
    return this.idOf();
  }

  hold(holder: Holder, { untilAnswer = false } = {}): void {
    (untilAnswer ? this.#leases : this.#holders).add(holder);
  }

  /** It gave back what it held. */
  letGo(holder: Holder): void {
    this.#holders.delete(holder);
    this.#leases.delete(holder);
  }

  /** The answer is given: leases that were forgotten come back. Work that goes on behind it may finish. */
  async end(): Promise<void> {
    await abandonAll(this.#leases);
  }

  /** Nobody waits for the answer any more: transactions roll back, whatever is held comes back. */
  async abandon(): Promise<void> {
    await Promise.all([abandonAll(this.#leases), abandonAll(this.#holders)]);
  }
}

async function abandonAll(holders: ReadonlySet<Holder>): Promise<void> {
  await Promise.all([...holders].map((holder) => holder.abandon()));
}

export type Route = 'replica' | 'primary';

/** Where the calls of one asynchronous context go: the scoped connection. Inner scopes copy and change it. */
export interface Scope {
  /** Undefined for calls that nothing decorates. */
  readonly route: Route | undefined;
  readonly replica: ReplicaOptions | undefined;
  readonly stickiness: Stickiness | undefined;
  /** The one physical connection, where `session: true` asked for it. */
  readonly held: HeldConnection | undefined;
  /** Inside a transaction everything joins it. */
  readonly transaction: UnitOfWork | undefined;
  /** What that has done so far. */
  readonly deeds: Deeds | undefined;
  readonly request: RequestScope | undefined;
  /** Whose writes its reads see; without one, the process has one for all. */
  readonly session: Session | undefined;
  readonly owner: object | undefined;
  /** The innermost decorated method. */
  readonly method: string | undefined;
}

/** A scope that is being opened. */
export type NewScope = { -readonly [Name in keyof Scope]: Scope[Name] };

/** With all its properties: to change one in a copy is cheap, to add one takes V8 microseconds. */
export const NO_SCOPE: Scope = {
  route: undefined,
  replica: undefined,
  stickiness: undefined,
  held: undefined,
  transaction: undefined,
  deeds: undefined,
  request: undefined,
  session: undefined,
  owner: undefined,
  method: undefined,
};

/**
 * To be changed before it is opened. All copies are of one hidden class; of spreads of spreads each would be of its own,
 * and from the fourth scope in another on, what touches them would take V8 microseconds.
 */
export function copyOf(outer: Scope): NewScope {
  return {
    route: outer.route,
    replica: outer.replica,
    stickiness: outer.stickiness,
    held: outer.held,
    transaction: outer.transaction,
    deeds: outer.deeds,
    request: outer.request,
    session: outer.session,
    owner: outer.owner,
    method: outer.method,
  };
}

export type ScopeStorage = AsyncLocalStorage<Scope>;

export const createScopeStorage = (): ScopeStorage => new AsyncLocalStorage<Scope>();
