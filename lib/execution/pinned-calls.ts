import type { Clock } from '../clock.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { StatementClass } from '../routing/statement/statement-class.js';
import type { Deeds } from '../session/deeds.js';
import type { HeldConnection } from '../session/held-connection.js';
import { explainRefusedWrite } from '../session/read-only.js';
import type { Scope } from '../session/scope.js';
import type { Session } from '../session/session.js';
import { UnitOfWork, type StatementTraits } from '../session/unit-of-work.js';
import { mayWrite } from './demands.js';
import type { Dispatcher } from './dispatcher.js';
import { refuseEscape, refuseTransactionControl, refuseWrite } from './refusals.js';
import type { StatementClasses } from './statement-classes.js';

/** For whom a statement runs on a connection that is held. */
export interface Pin {
  readonly route: Scope['route'];
  /** Who must see what it writes: the caller's session, and that which took the connection. */
  readonly sessions: readonly Session[];
  /** What it reads must have what these have written. */
  readonly isBound: boolean;
  /** Of the transaction, where it runs in one. */
  readonly deeds?: Deeds | undefined;
}

export interface PinnedCallsParts {
  readonly dispatcher: Dispatcher;
  readonly classes: StatementClasses;
  readonly clock: Clock;
}

/** Statements that have their connection already: in a transaction, a lease, a scope that holds one. */
export class PinnedCalls {
  readonly #parts: PinnedCallsParts;

  constructor(parts: PinnedCallsParts) {
    this.#parts = parts;
  }

  async query<R = Row>(
    on: UnitOfWork | HeldConnection,
    statement: Statement,
    pin: Pin,
  ): Promise<QueryResult<R>> {
    const found = this.#parts.classes.classify(statement.text);
    if (pin.route === 'replica') refuseWrite(found);
    if (pin.route === 'replica' || pin.deeds?.isReadOnly === true) refuseEscape(found, statement.text);
    const running =
      on instanceof UnitOfWork
        ? this.#queryIn<R>(on, statement, pin, found)
        : this.#queryOn<R>(on, statement, pin, found);
    return explained(pin.route, running);
  }

  #queryIn<R>(
    unit: UnitOfWork,
    statement: Statement,
    pin: Pin,
    found: StatementClass,
  ): Promise<QueryResult<R>> {
    refuseTransactionControl(found);
    return unit.query<R>(statement, this.traitsOf(found, pin));
  }

  /** What a transaction must know of a statement, which is noted as one of its deeds. */
  traitsOf(found: StatementClass, { route, sessions, deeds }: Pin): StatementTraits {
    if (deeds) {
      deeds.needsPrimary ||= found.kind === 'primary';
      deeds.hasChangedDefinitions ||= definesForOthers(found);
    }
    return {
      mustNotWrite: route === 'replica',
      leavesTraces: outlivesTransaction(found),
      willRunOn: (role) => {
        if (!deeds || deeds.isReadOnly || role === 'replica' || !mayWrite(found)) return;
        for (const session of sessions) deeds.writesFor(session, () => this.#parts.clock.now());
      },
    };
  }

  async #queryOn<R>(
    held: HeldConnection,
    statement: Statement,
    { sessions, isBound }: Pin,
    found: StatementClass,
  ): Promise<QueryResult<R>> {
    const borrowed = await held.borrow();
    try {
      if (borrowed.role === 'replica' && isBound) {
        for (const session of sessions) await this.#parts.dispatcher.untilReplayed(borrowed.node, session);
      }
      if (outlivesTransaction(found)) borrowed.taint();
      return await borrowed.query<R>(statement);
    } finally {
      borrowed.release();
      if (borrowed.role === 'primary' && mayWrite(found)) {
        for (const session of sessions) this.#parts.dispatcher.wrote(session);
      }
      if (definesForOthers(found)) this.#parts.classes.ran(found);
    }
  }
}

/** Has the end of a statement noted that may have changed what names mean. */
export async function tellEnd<T>(
  classes: StatementClasses,
  found: StatementClass,
  running: Promise<T>,
): Promise<T> {
  try {
    return await running;
  } finally {
    if (definesForOthers(found)) classes.ran(found);
  }
}

/** As `set_config` and `pg_advisory_lock` do, whose tag is that of any SELECT. */
function outlivesTransaction(found: StatementClass): boolean {
  return found.kind === 'session' && found.reason !== 'transaction-control';
}

/** A temporary object means nothing on any other connection. */
function definesForOthers(found: StatementClass): boolean {
  return found.changesCatalog && !(found.kind === 'session' && found.reason === 'temporary-object');
}

/** In a replica scope, a write that the server refused is the scope's refusal. */
async function explained<T>(route: Scope['route'], running: Promise<T>): Promise<T> {
  if (route !== 'replica') return running;
  try {
    return await running;
  } catch (error) {
    throw explainRefusedWrite(error, 'a replica scope');
  }
}
