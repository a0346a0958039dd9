import type { QueryResult, Row, Statement } from '../query.js';
import type { StatementClass } from '../routing/statement/statement-class.js';
import type { HeldConnection } from '../session/held-connection.js';
import { explainRefusedWrite } from '../session/read-only.js';
import type { Deeds, Scope } from '../session/scope.js';
import type { Session } from '../session/session.js';
import { UnitOfWork } from '../session/transaction.js';
import { mayWrite, refuseTransactionControl, refuseWrite } from './demands.js';
import type { Dispatcher } from './dispatcher.js';
import type { StatementClasses } from './statement-classes.js';

/** For whom a statement runs on a connection that is held. */
export interface Pin {
  readonly route: Scope['route'];
  readonly session: Session;
  /** Of the transaction, where it runs in one. */
  readonly deeds?: Deeds | undefined;
}

/** Statements that have their connection already: in a transaction, a lease, a scope that holds one. */
export class PinnedCalls {
  readonly #dispatcher: Dispatcher;
  readonly #classes: StatementClasses;

  constructor({ dispatcher, classes }: { dispatcher: Dispatcher; classes: StatementClasses }) {
    this.#dispatcher = dispatcher;
    this.#classes = classes;
  }

  async query<R = Row>(
    on: UnitOfWork | HeldConnection,
    statement: Statement,
    { route, session, deeds }: Pin,
  ): Promise<QueryResult<R>> {
    const found = this.#classes.classify(statement.text);
    if (route === 'replica') refuseWrite(found);
    if (!(on instanceof UnitOfWork)) {
      const running = explained(route, on.query<R>(statement));
      return this.tellEnd(found, running, route === 'replica' ? undefined : session);
    }
    refuseTransactionControl(found);
    if (deeds) {
      deeds.mayHaveWritten ||= mayWrite(found);
      deeds.hasChangedDefinitions ||= definesForOthers(found);
    }
    const traits = { mustNotWrite: route === 'replica', leavesTraces: outlivesTransaction(found) };
    return explained(route, on.query<R>(statement, traits));
  }

  /** Has the end of a statement noted where it matters. */
  async tellEnd<T>(found: StatementClass, running: Promise<T>, session?: Session): Promise<T> {
    try {
      return await running;
    } finally {
      if (session && mayWrite(found)) this.#dispatcher.wrote(session);
      if (definesForOthers(found)) this.#classes.ran(found);
    }
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
