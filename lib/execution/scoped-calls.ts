import type { Clock } from '../clock.js';
import { codeOf } from '../errors.js';
import type { KnownTexts } from '../pool/known-texts.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { ClientCalls } from '../session/client-calls.js';
import { carry, type OpenScope } from '../session/carry.js';
import type { Lease } from '../session/lease.js';
import {
  createScopeStorage,
  NO_SCOPE,
  RequestScope,
  type Owned,
  type PrimaryOptions,
  type ReplicaOptions,
  type Route,
  type Scope,
} from '../session/scope.js';
import { Session } from '../session/session.js';
import type { TransactionOptions } from '../session/transaction.js';
import { LateCalls } from './client-calls.js';
import type { Dispatcher } from './dispatcher.js';
import type { Demands } from './demands.js';
import type { LeakWatch } from './leak-watch.js';
import { Leases } from './leases.js';
import { LongCallsOf } from './long-calls.js';
import { PinnedCalls, tellEnd, type Pin } from './pinned-calls.js';
import { inRequest, keptBy, ScopeOpenings } from './scope-openings.js';
import type { StatementClasses } from './statement-classes.js';
import type { Taker } from './taker.js';
import type { Tally } from './tally.js';

/** Serialization failure and deadlock: the transaction may succeed when it runs again (manual, section 13.5). */
const RUN_AGAIN = new Set(['40001', '40P01']);

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
  readonly #openings: ScopeOpenings;
  readonly #leases: Leases;
  readonly #clients: ClientCalls;

  constructor(parts: ScopedCallsParts) {
    this.#parts = parts;
    this.#pinned = new PinnedCalls(parts);
    this.#openings = new ScopeOpenings({ ...parts, sessionOf: (scope) => this.#sessionOf(scope) });
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
    if (known) known.needsOwnTransaction = found.kind === 'read' && found.setsLocally === true;
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
    return carry(this.#storage, () => this.#openings.session(this.#scope, session), work);
  }

  /** The same as a job: leases that were forgotten come back at its end, all that is held when it fails. */
  inJob<T>(requestOf: () => RequestScope, work: () => T): T {
    const open = (): OpenScope => {
      const request = requestOf();
      const scope = inRequest(this.#scope, request);
      return { scope, complete: () => request.end(), fail: () => request.abandon() };
    };
    return carry(this.#storage, open, work);
  }

  inReplicaScope<T>(options: ReplicaOptions & Owned, work: () => T): T {
    return carry(this.#storage, () => this.#openings.replica(this.#scope, options), work);
  }

  inPrimaryScope<T>(options: PrimaryOptions & Owned, work: () => T): T {
    return carry(this.#storage, () => this.#openings.primary(this.#scope, options), work);
  }

  /** A function that returns no promise, Observable or generator gets one: the commit is asynchronous. */
  inTransaction<T>(options: TransactionOptions, work: () => T): T {
    const attempt = () => carry(this.#storage, () => this.#openings.transaction(this.#scope, options), work);
    const first = attempt();
    const retry = options.retry ?? 0;
    // A nested one can't run again by itself: the server has given up the whole transaction.
    if (!(retry > 0) || this.#scope.transaction || !(first instanceof Promise)) return first;
    return this.#runAgain(first, attempt as () => Promise<unknown>, retry) as T;
  }

  /** Opens the scope of one request, message or job. What is open already goes on within it. */
  inRequest<T>(request: RequestScope, work: () => T): T {
    return this.#storage.run(inRequest(this.#scope, request), work);
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
    const held = this.#openings.hold(scope, route, taker, isReset);
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

  #sessionOf({ session, request }: Scope): Session {
    return session ?? request?.session ?? this.#processSession;
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
