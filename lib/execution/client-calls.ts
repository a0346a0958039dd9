import type { QueryResult, Statement } from '../query.js';
import { settingsIn } from '../routing/statement/client-settings.js';
import type { Bind, BoundCalls, ClientCalls, Legacy } from '../session/client-calls.js';
import type { Lease } from '../session/lease.js';
import type { Scope } from '../session/scope.js';
import { Block, isBegin, Leased } from './bound-clients.js';
import { mayWrite } from './demands.js';
import type { PinnedCalls, Pin } from './pinned-calls.js';
import type { StatementClasses } from './statement-classes.js';
import type { Taker } from './taker.js';

export interface ClientCallsParts {
  readonly classes: StatementClasses;
  readonly pinned: PinnedCalls;
  /** Of the call that is made now. */
  readonly scope: () => Scope;
  readonly pin: () => Pin;
  readonly query: (statement: Statement) => Promise<QueryResult>;
  /** Whether what nothing decorates may read from replicas. */
  readonly readsFromReplicas: () => boolean;
  /** A connection to have alone until `release`. */
  readonly lease: (target: 'primary' | 'replica', taker: Taker | undefined) => Promise<Lease>;
  /** Who calls, where it is watched who keeps a connection. */
  readonly taker: () => Taker | undefined;
}

const READ_ONLY = /\bread\s+only\b/i;
const SERIALIZABLE = /\bserializable\b/i;

/** The calls of clients that decide late where they run: at the first statement that others may build on. */
export class LateCalls implements ClientCalls {
  readonly #parts: ClientCallsParts;

  constructor(parts: ClientCallsParts) {
    this.#parts = parts;
  }

  query(statement: Statement): Promise<QueryResult> {
    return this.#parts.query(statement);
  }

  legacyOf(text: string): Legacy {
    const found = this.#parts.classes.classify(text);
    if (found.kind === 'session' && found.reason === 'setting' && settingsIn(text) !== undefined)
      return 'settings';
    // What joins a transaction has its connection there; but a transaction in it is a block.
    if (this.#parts.scope().transaction) return isBegin(found) ? 'transaction' : 'nothing';
    if (found.kind === 'session')
      return ['transaction-control', 'lock'].includes(found.reason) ? 'transaction' : 'session';
    if (found.kind === 'read' || !mayWrite(found)) return 'nothing';
    return found.reason === 'advisory-lock' ? 'session' : 'data';
  }

  settingsIn(text: string): string {
    return settingsIn(text) ?? '';
  }

  isOfSession(text: string): boolean {
    return this.#parts.classes.classify(text).kind === 'session';
  }

  hasStandardStrings(): boolean {
    return this.#parts.classes.hasStandardStrings;
  }

  isJoined(): boolean {
    return this.#parts.scope().transaction !== undefined;
  }

  binder(): Bind {
    const taker = this.#parts.taker();
    return taker ? (text) => this.#bind(text, taker) : this.#bindForNobody;
  }

  readonly #bindForNobody: Bind = (text) => this.#bind(text, undefined);

  async #bind(text: string, taker: Taker | undefined): Promise<BoundCalls> {
    const { classes, scope, pin, pinned, lease, readsFromReplicas } = this.#parts;
    const { transaction, route } = scope();
    const found = classes.classify(text);
    if (transaction && isBegin(found)) return new Block({ outer: transaction, pin: pin(), pinned, classes });
    const isRead =
      found.kind === 'read' || (isBegin(found) && READ_ONLY.test(text) && !SERIALIZABLE.test(text));
    const isForReads = route === undefined && isRead && readsFromReplicas();
    const held = await lease(route ?? (isForReads ? 'replica' : 'primary'), taker);
    return new Leased(held, classes, isForReads);
  }
}
