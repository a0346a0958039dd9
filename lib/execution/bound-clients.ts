import { PgMcpError } from '../errors.js';
import type { QueryResult, Statement } from '../query.js';
import type { StatementClass } from '../routing/statement/statement-class.js';
import { transactionControlIn } from '../routing/statement/transaction-control.js';
import type { BoundCalls } from '../session/client-calls.js';
import type { Lease } from '../session/lease.js';
import type { UnitOfWork } from '../session/unit-of-work.js';
import { refuseMisfit, type TransactionModes } from '../transaction-modes.js';
import type { PinnedCalls, Pin } from './pinned-calls.js';
import type { StatementClasses } from './statement-classes.js';

const BEGINS = /^(BEGIN|START)$/;
const ENDS = /^(COMMIT|ROLLBACK|PREPARE)$/;

/** A connection until its release. */
export class Leased implements BoundCalls {
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
  readonly outer: UnitOfWork;
  readonly pin: Pin;
  readonly pinned: PinnedCalls;
  readonly classes: StatementClasses;
}

/** BEGIN within `transaction()`: a savepoint, which COMMIT and ROLLBACK end. */
export class Block implements BoundCalls {
  readonly isForReads = false;
  readonly client = undefined;
  readonly #parts: BlockParts;
  /** Once it has begun; after a COMMIT that failed, until the ROLLBACK that follows it. */
  #unit: UnitOfWork | undefined;

  constructor(parts: BlockParts) {
    this.#parts = parts;
  }

  get state(): BoundCalls['state'] {
    return this.#unit ? 'transaction' : 'over';
  }

  async takeClient(): Promise<unknown> {
    const located = await this.#begun.locate();
    located.taint();
    return located.client;
  }

  async query(statement: Statement): Promise<QueryResult> {
    const { classes, pinned, pin } = this.#parts;
    if (!isControl(classes.classify(statement.text))) return pinned.query(this.#begun, statement, pin);
    const control = transactionControlIn(statement.text);
    switch (control?.kind) {
      case 'begin':
        return this.#begin(control.modes);
      case 'modes':
        return this.#setModes(control.modes);
      case 'commit':
        await this.#begun.complete();
        this.#unit = undefined;
        return told('COMMIT');
      case 'rollback':
        await this.release();
        return told('ROLLBACK');
      case 'mixed':
        throw mixedControl();
      // Savepoints of its own end with it.
      case undefined:
        return this.#begun.query(statement);
    }
  }

  async release(): Promise<void> {
    const unit = this.#unit;
    this.#unit = undefined;
    await unit?.fail();
  }

  get #begun(): UnitOfWork {
    if (!this.#unit) throw new Error('no BEGIN');
    return this.#unit;
  }

  /** A second BEGIN does nothing, as on a server. */
  #begin(modes: TransactionModes): QueryResult {
    const { outer } = this.#parts;
    refuseMisfit(outer.modes, modes);
    if (this.#unit?.hasEnded !== false) this.#unit = outer.nest(modes);
    return told('BEGIN');
  }

  /** What the transaction is already need not be set; the server would refuse even less than that. */
  async #setModes(modes: TransactionModes): Promise<QueryResult> {
    const unit = this.#begun;
    refuseMisfit(unit.modes, modes);
    return modes.readOnly === true ? unit.query({ text: 'SET TRANSACTION READ ONLY' }) : told('SET');
  }
}

function mixedControl(): PgMcpError {
  return new PgMcpError(
    'SESSION_STATEMENT',
    'BEGIN, COMMIT or ROLLBACK in one text with other statements, COMMIT AND CHAIN or PREPARE TRANSACTION within transaction(): there BEGIN is a savepoint; send each by itself',
    { safeToRetry: true, reason: 'transaction-control' },
  );
}

function isControl(found: StatementClass): found is Extract<StatementClass, { kind: 'session' }> {
  return found.kind === 'session' && found.reason === 'transaction-control';
}

export function isBegin(found: StatementClass): boolean {
  return isControl(found) && BEGINS.test(found.detail);
}

/** COMMIT, ROLLBACK or PREPARE TRANSACTION; a savepoint goes on. */
function endIn(found: StatementClass): string | undefined {
  return isControl(found) && ENDS.test(found.detail) ? found.detail : undefined;
}

function told(command: string): QueryResult {
  return { command, rowCount: null, rows: [], fields: [] };
}
