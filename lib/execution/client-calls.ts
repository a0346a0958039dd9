import type { QueryResult, Statement } from '../query.js';
import { settingsIn } from '../routing/statement/client-settings.js';
import type { StatementClass } from '../routing/statement/statement-class.js';
import type { Bind, BoundCalls, ClientCalls, Legacy } from '../session/client-calls.js';
import type { Lease } from '../session/lease.js';
import type { Scope } from '../session/scope.js';
import type { UnitOfWork } from '../session/unit-of-work.js';
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
const BEGINS = /^(BEGIN|START)$/;
const ENDS = /^(COMMIT|ROLLBACK|PREPARE)$/;

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
    return (text) => this.#bind(text, taker);
  }

  async #bind(text: string, taker: Taker | undefined): Promise<BoundCalls> {
    const { classes, scope, pin, pinned, lease, readsFromReplicas } = this.#parts;
    const { transaction, route } = scope();
    const found = classes.classify(text);
    if (transaction && isBegin(found)) {
      const block = transaction.nest({ readOnly: READ_ONLY.test(text) });
      return new Block(block, { pin: pin(), pinned, classes });
    }
    const isRead =
      found.kind === 'read' || (isBegin(found) && READ_ONLY.test(text) && !SERIALIZABLE.test(text));
    const isForReads = route === undefined && isRead && readsFromReplicas();
    const held = await lease(route ?? (isForReads ? 'replica' : 'primary'), taker);
    return new Leased(held, classes, isForReads);
  }
}

/** A connection until its release. */
class Leased implements BoundCalls {
  readonly #lease: Lease;
  readonly #classes: StatementClasses;
  #isOver = false;

  constructor(
    lease: Lease,
    classes: StatementClasses,
    readonly isForReads: boolean,
  ) {
    this.#lease = lease;
    this.#classes = classes;
  }

  get state(): BoundCalls['state'] {
    return this.#isOver ? 'over' : this.#lease.connection.state;
  }

  get client(): unknown {
    return this.#lease.connection.client;
  }

  async takeClient(): Promise<unknown> {
    return this.#lease.client;
  }

  async query(statement: Statement): Promise<QueryResult> {
    const found = this.#classes.classify(statement.text);
    const end = endIn(found);
    // The server has rolled back, and whoever asks for it need not be told of the loss once more.
    const isRolledBack = end === 'ROLLBACK' && this.state === 'lost';
    try {
      return isRolledBack ? told('ROLLBACK') : await this.#lease.query(statement);
    } finally {
      // BEGIN is somebody else's, who has the client now.
      if ((end !== undefined || isBegin(found)) && this.state === 'lost') this.#isOver = true;
    }
  }

  release(): Promise<void> {
    return this.#lease.release();
  }
}

interface BlockParts {
  readonly pin: Pin;
  readonly pinned: PinnedCalls;
  readonly classes: StatementClasses;
}

/** BEGIN within `transaction()`: a savepoint, which COMMIT and ROLLBACK end. */
class Block implements BoundCalls {
  readonly isForReads = false;
  readonly client = undefined;
  readonly #unit: UnitOfWork;
  readonly #parts: BlockParts;
  #isOver = false;

  constructor(unit: UnitOfWork, parts: BlockParts) {
    this.#unit = unit;
    this.#parts = parts;
  }

  get state(): BoundCalls['state'] {
    return this.#isOver ? 'over' : 'transaction';
  }

  async takeClient(): Promise<unknown> {
    const located = await this.#unit.locate();
    located.taint();
    return located.client;
  }

  async query(statement: Statement): Promise<QueryResult> {
    const { classes, pinned, pin } = this.#parts;
    const found = classes.classify(statement.text);
    if (isBegin(found)) return told('BEGIN');
    const end = endIn(found);
    if (end === undefined) {
      // Savepoints of its own end with it.
      return isControl(found) ? this.#unit.query(statement) : pinned.query(this.#unit, statement, pin);
    }
    this.#isOver = true;
    await (end === 'COMMIT' ? this.#unit.complete() : this.#unit.fail());
    return told(end === 'COMMIT' ? 'COMMIT' : 'ROLLBACK');
  }

  async release(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#unit.fail();
  }
}

function isControl(found: StatementClass): found is Extract<StatementClass, { kind: 'session' }> {
  return found.kind === 'session' && found.reason === 'transaction-control';
}

function isBegin(found: StatementClass): boolean {
  return isControl(found) && BEGINS.test(found.detail);
}

/** COMMIT, ROLLBACK or PREPARE TRANSACTION; a savepoint goes on. */
function endIn(found: StatementClass): string | undefined {
  return isControl(found) && ENDS.test(found.detail) ? found.detail : undefined;
}

function told(command: string): QueryResult {
  return { command, rowCount: null, rows: [], fields: [] };
}
