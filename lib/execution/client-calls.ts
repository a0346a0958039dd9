import type { QueryResult, Statement } from '../query.js';
import type { StatementClass } from '../routing/statement/statement-class.js';
import type { BoundCalls, ClientCalls } from '../session/client-calls.js';
import type { Lease } from '../session/lease.js';
import type { Scope } from '../session/scope.js';
import type { UnitOfWork } from '../session/unit-of-work.js';
import { mayWrite } from './demands.js';
import type { PinnedCalls, Pin } from './pinned-calls.js';
import type { StatementClasses } from './statement-classes.js';

export interface ClientCallsParts {
  readonly classes: StatementClasses;
  readonly pinned: PinnedCalls;
  /** Of the call that is made now. */
  readonly scope: () => Scope;
  readonly pin: () => Pin;
  readonly query: (statement: Statement) => Promise<QueryResult>;
  /** A connection to have alone until `release`. */
  readonly lease: (target: 'primary' | 'replica') => Promise<Lease>;
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

  mustBind(text: string): boolean {
    const found = this.#parts.classes.classify(text);
    const { transaction } = this.#parts.scope();
    // What joins a transaction has its connection there; but a transaction in it is a block.
    if (transaction) return isBegin(found);
    return found.kind === 'session' || (found.kind === 'primary' && mayWrite(found));
  }

  isOfSession(text: string): boolean {
    return this.#parts.classes.classify(text).kind === 'session';
  }

  isJoined(): boolean {
    return this.#parts.scope().transaction !== undefined;
  }

  async bind(text: string): Promise<BoundCalls> {
    const { classes, scope, pin, pinned, lease } = this.#parts;
    const { transaction, route } = scope();
    if (transaction) return new Block(transaction.nest(), { pin: pin(), pinned, classes });
    const reads = READ_ONLY.test(text) && !SERIALIZABLE.test(text) && isBegin(classes.classify(text));
    const held = await lease(route ?? (reads ? 'replica' : 'primary'));
    return {
      isOver: false,
      takeClient: () => held.client,
      query: (statement) => held.query(statement),
      release: () => held.release(),
    };
  }
}

interface BlockParts {
  readonly pin: Pin;
  readonly pinned: PinnedCalls;
  readonly classes: StatementClasses;
}

/** BEGIN within `transaction()`: a savepoint, which COMMIT and ROLLBACK end. */
class Block implements BoundCalls {
  readonly #unit: UnitOfWork;
  readonly #parts: BlockParts;
  #isOver = false;

  constructor(unit: UnitOfWork, parts: BlockParts) {
    this.#unit = unit;
    this.#parts = parts;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  takeClient(): never {
    throw new TypeError(
      'a cursor or stream does not run in a transaction within transaction(): leave out BEGIN',
    );
  }

  async query(statement: Statement): Promise<QueryResult> {
    const { classes, pinned, pin } = this.#parts;
    const found = classes.classify(statement.text);
    const control =
      found.kind === 'session' && found.reason === 'transaction-control' ? found.detail : undefined;
    if (control === undefined) return pinned.query(this.#unit, statement, pin);
    if (BEGINS.test(control)) return told('BEGIN');
    // Savepoints of its own, which end with it.
    if (!ENDS.test(control) || /\bto\b/i.test(statement.text)) return this.#unit.query(statement);
    this.#isOver = true;
    if (control !== 'COMMIT') {
      await this.#unit.fail();
      return told('ROLLBACK');
    }
    await this.#unit.complete();
    return told('COMMIT');
  }

  async release(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#unit.fail();
  }
}

function isBegin(found: StatementClass): boolean {
  return found.kind === 'session' && found.reason === 'transaction-control' && BEGINS.test(found.detail);
}

function told(command: string): QueryResult {
  return { command, rowCount: null, rows: [], fields: [] };
}
