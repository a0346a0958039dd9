import type { Clock } from '../clock.js';
import { parseDuration } from '../duration.js';
import { codeOf } from '../errors.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Borrowed, ConnectionSource } from '../session/borrowed.js';
import { carry, type OpenScope } from '../session/carry.js';
import { HeldConnection } from '../session/held-connection.js';
import { Lease } from '../session/lease.js';
import { Patience } from '../session/patience.js';
import { explainRefusedWrite } from '../session/read-only.js';
import {
  createScopeStorage,
  NO_SCOPE,
  RequestScope,
  type Holder,
  type Owned,
  type PrimaryOptions,
  type ReplicaOptions,
  type Scope,
} from '../session/scope.js';
import { Transaction, type TransactionOptions, type UnitOfWork } from '../session/transaction.js';
import type { Dispatcher } from './dispatcher.js';
import type { Demand } from './stickiness.js';
import type { Tally } from './tally.js';

/** Serialization failure and deadlock: the transaction may succeed when it runs again (manual, section 13.5). */
const RUN_AGAIN = new Set(['40001', '40P01']);

type Route = NonNullable<Scope['route']>;

export interface ScopedCallsParts {
  readonly dispatcher: Dispatcher;
  readonly tally: Tally;
  readonly clock: Clock;
  readonly acquireTimeoutMs: number;
}

/** The calls of one cluster, each by the scope it is made in. */
export class ScopedCalls {
  readonly #storage = createScopeStorage();
  readonly #parts: ScopedCallsParts;

  constructor(parts: ScopedCallsParts) {
    this.#parts = parts;
  }

  query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    const scope = this.#scope;
    if (scope.transaction)
      return explained(scope.route, scope.transaction.query<R>(statement, scope.route === 'replica'));
    if (scope.held) return explained(scope.route, scope.held.query<R>(statement));
    return this.#parts.dispatcher.query<R>(demandOf(scope), statement);
  }

  inReplicaScope<T>(options: ReplicaOptions & Owned, work: () => T): T {
    return carry(this.#storage, () => this.#openReplica(options), work);
  }

  inPrimaryScope<T>(options: PrimaryOptions & Owned, work: () => T): T {
    return carry(this.#storage, () => this.#openPrimary(options), work);
  }

  /** A function that returns no promise, Observable or generator gets one: the commit is asynchronous. */
  inTransaction<T>(options: TransactionOptions, work: () => T): T {
    const attempt = () => carry(this.#storage, () => this.#openTransaction(options), work);
    const first = attempt();
    const retry = options.retry ?? 0;
    // A nested one can't run again by itself: the server has given up the whole transaction.
    if (!(retry > 0) || this.#scope.transaction || !(first instanceof Promise)) return first;
    return this.#runAgain(first, attempt as () => Promise<unknown>, retry) as T;
  }

  /** Opens the scope of one request, message or job. What is open already goes on within it. */
  inRequest<T>(request: RequestScope, work: () => T): T {
    return this.#storage.run({ ...this.#scope, request }, work);
  }

  /** Runs what belongs to nobody's scope, though it may have been set off in one. */
  outside<T>(work: () => T): T {
    return this.#storage.exit(work);
  }

  /** Whether the innermost scope was opened by a method of that object. */
  isInScopeOf(owner: object): boolean {
    return this.#scope.owner === owner;
  }

  get isInRequest(): boolean {
    return this.#scope.request !== undefined;
  }

  /** By scope: the transaction's, the held one, else one of the scope's route. */
  async lease(target?: Route): Promise<Lease> {
    const scope = this.#scope;
    const route = target ?? scope.route ?? 'primary';
    if (scope.transaction) return this.#leaseOfTransaction(scope.transaction, route);
    if (scope.held && (target === undefined || scope.route === target))
      return this.#leaseOf(scope.held, route, async () => {});
    const { route: _, ...rest } = scope;
    const demand = demandOf({ ...rest, route });
    const held = this.#hold(demand);
    const finish = keptBy(scope.request, held, { untilAnswer: true });
    const end = () => finish(() => held.end());
    try {
      return await this.#leaseOf(held, route, end);
    } catch (error) {
      await end();
      throw error;
    }
  }

  get #scope(): Scope {
    return this.#storage.getStore() ?? NO_SCOPE;
  }

  #openReplica(options: ReplicaOptions & Owned): OpenScope {
    const { route, held, owner: _, ...outer } = this.#scope;
    const stickiness = outer.stickiness ?? { node: undefined, atLeast: undefined };
    const scope: Scope = { ...outer, route: 'replica', replica: options, stickiness, ...ownerOf(options) };
    return this.#openOn(scope, route === 'replica' ? held : undefined, options.session);
  }

  #openPrimary(options: PrimaryOptions & Owned): OpenScope {
    const { route, held, owner: _, ...outer } = this.#scope;
    const scope: Scope = { ...outer, route: 'primary', ...ownerOf(options) };
    return this.#openOn(scope, route === 'primary' ? held : undefined, options.session);
  }

  /** With the outer scope's connection where that has the same route, else one of its own where it asks for one. */
  #openOn(scope: Scope, outerHeld: HeldConnection | undefined, ownConnection = false): OpenScope {
    if (outerHeld) return openFor({ ...scope, held: outerHeld });
    if (!ownConnection || scope.transaction) return openFor(scope);
    const held = this.#hold(demandOf(scope));
    const finish = keptBy(scope.request, held);
    return openFor({ ...scope, held }, () => finish(() => held.end()));
  }

  #openTransaction(options: TransactionOptions): OpenScope {
    const outer = this.#scope;
    const unit = outer.transaction?.nest(options) ?? this.#begin(outer, options);
    const finish = keptBy(outer.request, unit);
    return {
      scope: { ...outer, route: 'primary', transaction: unit },
      isDecidedAtEnd: true,
      complete: () => finish(() => unit.complete()),
      fail: () => finish(() => unit.fail()),
    };
  }

  #begin(outer: Scope, options: TransactionOptions): Transaction {
    const { clock, acquireTimeoutMs } = this.#parts;
    return new Transaction(this.#sourceFor(outer, options), options, new Patience(clock, acquireTimeoutMs));
  }

  /**
   * A transaction that only reads, in a replica scope, runs there; every other on the primary, as a serializable
   * one must (manual, section 13.2.3).
   */
  #sourceFor(outer: Scope, { readOnly, isolation }: TransactionOptions): ConnectionSource {
    const mayRead = readOnly && isolation !== 'serializable' && outer.route === 'replica';
    const route = mayRead ? 'replica' : 'primary';
    if (outer.held && outer.route === route) return outer.held;
    const demand = demandOf({ ...outer, route });
    return { borrow: () => this.#parts.dispatcher.borrow(demand) };
  }

  #hold(demand: Demand): HeldConnection {
    return new HeldConnection({ borrow: () => this.#parts.dispatcher.borrow(demand) });
  }

  async #leaseOfTransaction(transaction: UnitOfWork, route: Route): Promise<Lease> {
    const { node, role, client } = await transaction.locate();
    const query = (statement: Statement) =>
      explained(route, (this.#blockWithin(transaction) ?? transaction).query(statement, route === 'replica'));
    return new Lease({ node, role, client, query, release: async () => {} });
  }

  async #leaseOf(held: HeldConnection, route: Route, release: () => Promise<void>): Promise<Lease> {
    const borrowed: Borrowed = await held.borrow();
    borrowed.release();
    const { node, role, client } = borrowed;
    const query = (statement: Statement) =>
      explained(route, (this.#blockWithin(held) ?? held).query(statement));
    return new Lease({ node, role, client, query, release });
  }

  /**
   * The block of the caller where that has the connection now: a lease from around it is used within it, and
   * would wait for its end.
   */
  #blockWithin(outer: UnitOfWork | HeldConnection): UnitOfWork | undefined {
    const { transaction } = this.#scope;
    return transaction?.isWithin(outer) ? transaction : undefined;
  }

  async #runAgain(
    first: Promise<unknown>,
    attempt: () => Promise<unknown>,
    retries: number,
  ): Promise<unknown> {
    let running = first;
    for (let left = retries; ; left--) {
      try {
        return await running;
      } catch (error) {
        if (!(left > 0) || !RUN_AGAIN.has(codeOf(error) ?? '')) throw error;
        this.#parts.tally.retried('serialization');
        running = attempt();
      }
    }
  }
}

function demandOf({ route, replica, stickiness }: Scope): Demand {
  if (route !== 'replica') {
    return { target: 'primary', reason: route === 'primary' ? 'use-master' : 'undecorated' };
  }
  const maxLagMs = replica?.maxLag === undefined ? undefined : parseDuration(replica.maxLag);
  return {
    target: 'replica',
    onUnavailable: replica?.onUnavailable ?? 'primary',
    ...(maxLagMs !== undefined && { maxLagMs }),
    ...(stickiness && { stickiness }),
  };
}

/** @throws TypeError that names the option. */
export function checkReplicaOptions({ maxLag, onUnavailable }: ReplicaOptions): void {
  if (maxLag !== undefined && parseDuration(maxLag) === undefined) {
    throw new TypeError(
      `maxLag: no duration: ${JSON.stringify(maxLag)} (expected like '500ms', '2s', or seconds)`,
    );
  }
  if (onUnavailable !== undefined && !['primary', 'wait', 'fail'].includes(onUnavailable)) {
    throw new TypeError(
      `onUnavailable: ${JSON.stringify(onUnavailable)} is none of 'primary', 'wait', 'fail'`,
    );
  }
}

function ownerOf({ owner }: Owned): Owned {
  return owner === undefined ? {} : { owner };
}

function openFor(scope: Scope, end: () => Promise<void> = async () => {}): OpenScope {
  return { scope, complete: end, fail: () => end().catch(() => {}) };
}

/** Has the request end a holder that outlives it; the holder's own end takes it off again. */
function keptBy(
  request: RequestScope | undefined,
  holder: Holder,
  options?: { readonly untilAnswer?: boolean },
): (end: () => Promise<void>) => Promise<void> {
  request?.hold(holder, options);
  return async (end) => {
    try {
      await end();
    } finally {
      request?.letGo(holder);
    }
  };
}

/** In a replica scope, a write that the server refused is the scope's refusal. */
async function explained<T>(route: Route | undefined, running: Promise<T>): Promise<T> {
  try {
    return await running;
  } catch (error) {
    throw route === 'replica' ? explainRefusedWrite(error, 'a replica scope') : error;
  }
}
