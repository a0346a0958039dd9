import type { Clock } from '../clock.js';
import type { ConnectionSource } from '../session/borrowed.js';
import type { OpenScope } from '../session/carry.js';
import { Deeds } from '../session/deeds.js';
import { HeldConnection } from '../session/held-connection.js';
import { Patience } from '../session/patience.js';
import {
  copyOf,
  type Holder,
  type NewScope,
  type Owned,
  type PrimaryOptions,
  type ReplicaOptions,
  type RequestScope,
  type Route,
  type Scope,
} from '../session/scope.js';
import type { Session } from '../session/session.js';
import { newStickiness } from '../session/stickiness.js';
import { Transaction, type TransactionOptions } from '../session/transaction.js';
import type { Dispatcher } from './dispatcher.js';
import type { Demand } from './demand.js';
import type { Demands } from './demands.js';
import type { LeakWatch } from './leak-watch.js';
import type { StatementClasses } from './statement-classes.js';
import type { Taker } from './taker.js';

export interface ScopeOpeningsParts {
  readonly dispatcher: Dispatcher;
  readonly demands: Demands;
  readonly classes: StatementClasses;
  readonly clock: Clock;
  readonly acquireTimeoutMs: number;
  /** Unless it is off. */
  readonly leaks: LeakWatch | undefined;
  sessionOf(scope: Scope): Session;
}

/** Opens scopes within others, and knows what each has to give back at its end. */
export class ScopeOpenings {
  readonly #parts: ScopeOpeningsParts;

  constructor(parts: ScopeOpeningsParts) {
    this.#parts = parts;
  }

  replica(outer: Scope, options: ReplicaOptions & Owned): OpenScope {
    const scope = copyFor('replica', outer, options);
    scope.replica = options;
    scope.stickiness ??= newStickiness();
    return this.#openOn(scope, options.session);
  }

  primary(outer: Scope, options: PrimaryOptions & Owned): OpenScope {
    return this.#openOn(copyFor('primary', outer, options), options.session);
  }

  session(outer: Scope, session: Session): OpenScope {
    const scope = copyOf(outer);
    scope.session = session;
    return openFor(scope);
  }

  /** With the outer scope's connection, where it still has that, else one of its own where it asks for one. */
  #openOn(scope: NewScope, ownConnection = false): OpenScope {
    if (scope.held || !ownConnection || scope.transaction) return openFor(scope);
    const taker = this.#parts.leaks?.taker('session', scope);
    const held = this.hold(scope, scope.route ?? 'primary', taker);
    const finish = keptBy(scope.request, held);
    scope.held = held;
    return openFor(scope, () => finish(() => held.end()));
  }

  transaction(outer: Scope, options: TransactionOptions): OpenScope {
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
    const reads = demands.ofUndecoratedReads(this.#parts.sessionOf(outer));
    // It is borrowed for the first statement, which may be none for a replica.
    return dispatcher.source(() => (deeds.needsPrimary ? demand : reads), taker);
  }

  /** A connection that is borrowed when it is first needed. */
  hold(scope: Scope, route: Route, taker: Taker | undefined, isReset = true): HeldConnection {
    const { dispatcher, clock, acquireTimeoutMs } = this.#parts;
    const demand = this.#demandOf(scope, route);
    const patience = new Patience(clock, acquireTimeoutMs);
    return new HeldConnection({ borrow: () => dispatcher.borrow(demand, taker) }, patience, isReset);
  }

  #demandOf(scope: Scope, route: Route): Demand {
    return this.#parts.demands.ofConnection(scope, this.#parts.sessionOf(scope), route);
  }
}

/** What the calls of one request, message or job are made in. */
export function inRequest(outer: Scope, request: RequestScope): Scope {
  const scope = copyOf(outer);
  scope.request = request;
  return scope;
}

/** With the outer scope's connection only where that has the same route. */
function copyFor(route: Route, outer: Scope, { owner, method }: Owned): NewScope {
  const scope = copyOf(outer);
  if (scope.route !== route) scope.held = undefined;
  scope.route = route;
  scope.owner = owner;
  scope.method = method ?? scope.method;
  return scope;
}

const nothing = async () => {};

function openFor(scope: Scope, end?: () => Promise<void>): OpenScope {
  if (!end) return { scope, endsByItself: true, complete: nothing, fail: nothing };
  return { scope, complete: end, fail: () => end().catch(() => {}) };
}

/** Has the request end a holder that outlives it; the holder's own end takes it off again. */
export function keptBy(
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
