import type { Clock } from '../clock.js';
import { codeOf } from '../errors.js';
import type { KnownTexts } from '../pool/known-texts.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { ConnectionSource } from '../session/borrowed.js';
import type { ClientCalls } from '../session/client-calls.js';
import { carry, type OpenScope } from '../session/carry.js';
import { Deeds } from '../session/deeds.js';
import { HeldConnection } from '../session/held-connection.js';
import type { Lease } from '../session/lease.js';
import { Patience } from '../session/patience.js';
import {
  copyOf,
  createScopeStorage,
  NO_SCOPE,
  RequestScope,
  type Holder,
  type NewScope,
  type Owned,
  type PrimaryOptions,
  type ReplicaOptions,
  type Scope,
} from '../session/scope.js';
import { Session } from '../session/session.js';
import { newStickiness } from '../session/stickiness.js';
import { Transaction, type TransactionOptions } from '../session/transaction.js';
import { LateCalls } from './client-calls.js';
import type { Dispatcher } from './dispatcher.js';
import type { Demand } from './demand.js';
import type { Demands } from './demands.js';
import type { LeakWatch } from './leak-watch.js';
import { Leases } from './leases.js';
import { LongCallsOf } from './long-calls.js';
import { PinnedCalls, tellEnd, type Pin } from './pinned-calls.js';
import type { StatementClasses } from './statement-classes.js';
import type { Taker } from './taker.js';
import type { Tally } from './tally.js';

/** Serialization failure and deadlock: the transaction may succeed when it runs again (manual, section 13.5). */
const RUN_AGAIN = new Set(['40001', '40P01']);

type Route = NonNullable<Scope['route']>;

export interface ScopedCallsParts {
  readonly dispatcher: Dispatcher;
  readonly demands: Demands;
  readonly classes: StatementClasses;
  readonly texts: KnownTexts;
  readonly tally: Tally;
  readonly clock: Clock;
  readonly acquireTimeoutMs: number;
  /** Unless it is off. */
  readonly leaks: LeakWatch | undefined;
}

/** The calls of one cluster, each by the scope it is made in. */
export class ScopedCalls {
  readonly #storage = createScopeStorage();
  readonly #parts: ScopedCallsParts;
  /** Of all calls outside any request, message or job. */
  readonly #processSession = new Session({ isOfOne: false });

  readonly #pinned: PinnedCalls;
  readonly #leases: Leases;
  readonly #clients: ClientCalls;

  constructor(parts: ScopedCallsParts) {
    this.#parts = parts;
    this.#pinned = new PinnedCalls(parts);
    this.#leases = new Leases({
      ...parts,
      pinned: this.#pinned,
      processSession: this.#processSession,
      caller: () => {
        const scope = this.#scope;
        return { session: this.#sessionOf(scope), transaction: scope.transaction, deeds: scope.deeds };
      },
    });
    this.#clients = new LateCalls({
      ...parts,
      pinned: this.#pinned,
      scope: () => this.#scope,
      pin: () => this.#pinOf(this.#scope),
      query: (statement) => this.query(statement),
      readsFromReplicas: () => parts.demands.readsFromReplicas,
      lease: (target, taker) => this.lease(target, taker, false),
      taker: () => parts.leaks?.taker('client', this.#scope),
    });
  }

  query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    const scope = this.#scope;
    const pinned = scope.transaction ?? scope.held;
    if (pinned) return this.#pinned.query<R>(pinned, statement, this.#pinOf(scope));
    const { dispatcher, demands, classes, texts } = this.#parts;
    const found = classes.classify(statement.text);
    const demand = demands.ofStatement(scope, this.#sessionOf(scope), statement, found);
    const mayShare = found.kind === 'read' && found.isQuery === true && statement.settings === undefined;
    const known = mayShare ? texts.of(statement.text, found.family) : undefined;
    const running = dispatcher.query<R>(demand, statement, known);
    return found.changesCatalog ? tellEnd(classes, found, running) : running;
  }

  /** Calls that keep their connection for long, by the scope of this moment however late they begin. */
  get long(): LongCallsOf {
    const scope = this.#scope;
    const taker = this.#parts.leaks?.taker('stream', scope);
    const caller = { scope, session: this.#sessionOf(scope), pin: this.#pinOf(scope), taker };
    return new LongCallsOf({ ...this.#parts, pinned: this.#pinned }, caller);
  }

  /** The session that calls here belong to. */
  get session(): Session {
    return this.#sessionOf(this.#scope);
  }

  /** Runs a function in a session, and so what it returns: a promise, an Observable, a generator. */
  inSession<T>(session: Session, work: () => T): T {
    const open = () => {
      const scope = copyOf(this.#scope);
      scope.session = session;
      return openFor(scope);
    };
    return carry(this.#storage, open, work);
  }

  /** The same as a job: leases that were forgotten come back at its end, all that is held when it fails. */
  inJob<T>(requestOf: () => RequestScope, work: () => T): T {
    const open = (): OpenScope => {
      const request = requestOf();
      const scope = this.#scopeOf(request);
      return { scope, complete: () => request.end(), fail: () => request.abandon() };
    };
    return carry(this.#storage, open, work);
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
    return this.#storage.run(this.#scopeOf(request), work);
  }

  /** Runs what belongs to nobody's scope, though it may have been set off in one. */
  outside<T>(work: () => T): T {
    return this.#storage.exit(work);
  }

  /** Whether the innermost scope was opened by a method of that object. */
  isInScopeOf(owner: object): boolean {
    return this.#scope.owner === owner;
  }

  /** Whether calls here have a session that is not the process's. */
  get isInSession(): boolean {
    const { session, request } = this.#scope;
    return (session ?? request) !== undefined;
  }

  get isInRequest(): boolean {
    return this.#scope.request !== undefined;
  }

  /** Calls of clients that decide late where they run. */
  get clients(): ClientCalls {
    return this.#clients;
  }

  /**
   * By scope: the transaction's, the held one, else one of the scope's route.
   *
   * @param asker Who takes it; who calls here, unless given.
   * @param isReset Whether what ran on it is undone at its release, or only where it left traces.
   */
  async lease(target?: Route, asker?: Taker, isReset = true): Promise<Lease> {
    const scope = this.#scope;
    const route = target ?? scope.route ?? 'primary';
    const pin = { ...this.#pinOf(scope), route };
    if (scope.transaction) return this.#leases.ofTransaction(scope.transaction, pin);
    if (scope.held && (target === undefined || scope.route === target))
      return this.#leases.ofHeld(scope.held, pin, async () => {});
    const taker = asker ?? this.#parts.leaks?.taker('lease', scope);
    const held = this.#hold(this.#demandOf(scope, route), taker, isReset);
    const finish = keptBy(scope.request, held, { untilAnswer: true });
    const end = () => finish(() => held.end());
    if (taker) taker.holder = held;
    try {
      const lease = await this.#leases.ofHeld(held, pin, end, () => taker?.unfollow());
      taker?.follow(lease, end);
      return lease;
    } catch (error) {
      await end();
      throw error;
    }
  }

  get #scope(): Scope {
    return this.#storage.getStore() ?? NO_SCOPE;
  }

  #openReplica(options: ReplicaOptions & Owned): OpenScope {
    const scope = this.#copyFor('replica', options);
    scope.replica = options;
    scope.stickiness ??= newStickiness();
    return this.#openOn(scope, options.session);
  }

  #openPrimary(options: PrimaryOptions & Owned): OpenScope {
    return this.#openOn(this.#copyFor('primary', options), options.session);
  }

  /** With the outer scope's connection only where that has the same route. */
  #copyFor(route: Route, { owner, method }: Owned): NewScope {
    const scope = copyOf(this.#scope);
    if (scope.route !== route) scope.held = undefined;
    scope.route = route;
    scope.owner = owner;
    scope.method = method ?? scope.method;
    return scope;
  }

  #scopeOf(request: RequestScope): Scope {
    const scope = copyOf(this.#scope);
    scope.request = request;
    return scope;
  }

  /** With the outer scope's connection, where it still has that, else one of its own where it asks for one. */
  #openOn(scope: NewScope, ownConnection = false): OpenScope {
    if (scope.held || !ownConnection || scope.transaction) return openFor(scope);
    const taker = this.#parts.leaks?.taker('session', scope);
    const held = this.#hold(this.#demandOf(scope, scope.route ?? 'primary'), taker);
    const finish = keptBy(scope.request, held);
    scope.held = held;
    return openFor(scope, () => finish(() => held.end()));
  }

  #openTransaction(options: TransactionOptions): OpenScope {
    const outer = this.#scope;
    const deeds = outer.deeds ?? new Deeds(options.readOnly === true);
    const unit = outer.transaction?.nest(options) ?? this.#begin(outer, options, deeds);
    const finish = keptBy(outer.request, unit);
    const end = async (how: () => Promise<void>) => {
      try {
        await finish(how);
      } finally {
        if (!outer.transaction) this.#didAll(deeds);
      }
    };
    const scope = copyOf(outer);
    scope.route = 'primary';
    scope.transaction = unit;
    scope.deeds = deeds;
    return {
      scope,
      isDecidedAtEnd: true,
      complete: () => end(() => unit.complete()),
      fail: () => end(() => unit.fail()),
    };
  }

  #didAll(deeds: Deeds): void {
    for (const session of deeds.end()) this.#parts.dispatcher.wrote(session);
    if (deeds.hasChangedDefinitions) this.#parts.classes.ran({ kind: 'primary', reason: 'ddl' });
  }

  #begin(outer: Scope, options: TransactionOptions, deeds: Deeds): Transaction {
    const { clock, acquireTimeoutMs } = this.#parts;
    const source = this.#sourceFor(outer, options, deeds);
    return new Transaction(source, options, new Patience(clock, acquireTimeoutMs));
  }

  /**
   * A transaction that only reads runs on a replica, unless its scope says otherwise; every other on the primary,
   * as a serializable one must (manual, section 13.2.3).
   */
  #sourceFor(outer: Scope, { readOnly, isolation }: TransactionOptions, deeds: Deeds): ConnectionSource {
    const isRead = readOnly === true && isolation !== 'serializable';
    const route = isRead && outer.route === 'replica' ? 'replica' : 'primary';
    if (outer.held && outer.route === route) return outer.held;
    const { dispatcher, demands, leaks } = this.#parts;
    const demand = this.#demandOf(outer, route);
    const taker = leaks?.taker('transaction', outer);
    if (!isRead || outer.route !== undefined || !demands.readsFromReplicas)
      return dispatcher.source(() => demand, taker);
    const reads = demands.ofUndecoratedReads(this.#sessionOf(outer));
    // It is borrowed for the first statement, which may be none for a replica.
    return dispatcher.source(() => (deeds.needsPrimary ? demand : reads), taker);
  }

  #demandOf(scope: Scope, route: Route): Demand {
    return this.#parts.demands.ofConnection(scope, this.#sessionOf(scope), route);
  }

  #sessionOf({ session, request }: Scope): Session {
    return session ?? request?.session ?? this.#processSession;
  }

  #hold(demand: Demand, taker: Taker | undefined, isReset = true): HeldConnection {
    const { dispatcher, clock, acquireTimeoutMs } = this.#parts;
    const patience = new Patience(clock, acquireTimeoutMs);
    return new HeldConnection({ borrow: () => dispatcher.borrow(demand, taker) }, patience, isReset);
  }

  #pinOf(scope: Scope): Pin {
    const isBound = this.#parts.demands.isBound(scope);
    return { route: scope.route, sessions: [this.#sessionOf(scope)], isBound, deeds: scope.deeds };
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

const nothing = async () => {};

function openFor(scope: Scope, end?: () => Promise<void>): OpenScope {
  if (!end) return { scope, endsByItself: true, complete: nothing, fail: nothing };
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
