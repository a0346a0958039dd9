import { PgMcpError } from '../errors.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Borrowed, ConnectionSource } from './borrowed.js';
import { queryReadOnlyWithin } from './read-only.js';
import { Turns } from './turns.js';

export type IsolationLevel = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';

export interface TransactionOptions {
  /** Manual, section 13.2. Default: the server's (`read committed`). */
  readonly isolation?: IsolationLevel;
  readonly readOnly?: boolean;
  /** Only with `serializable` and `readOnly`: waits for a snapshot that can't fail. */
  readonly deferrable?: boolean;
  /** How often the function runs again after a serialization failure (40001) or a deadlock (40P01). Default 0. */
  readonly retry?: number;
}

/**
 * A transaction, or a savepoint in one. It begins with its first statement.
 *
 * Statements and nested blocks take turns, so a nested block is alone on the connection until it ends: what
 * its rollback undoes is its own.
 */
export abstract class UnitOfWork {
  readonly #turns = new Turns();
  #borrowed: Borrowed | undefined;
  #isEnded = false;

  /** Brings the block into being on a connection and returns that. */
  protected abstract begin(): Promise<Borrowed>;
  protected abstract commit(borrowed: Borrowed): Promise<void>;
  protected abstract rollback(borrowed: Borrowed): Promise<void>;
  /** It is over, begun or not. */
  protected abstract leave(borrowed: Borrowed | undefined): void;

  /** No statement is taken any more. */
  get hasEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * @param mustNotWrite Held to reading, though the transaction may write.
   * @throws PgMcpError `TRANSACTION_ENDED` after the end.
   */
  query<R = Row>(statement: Statement, mustNotWrite = false): Promise<QueryResult<R>> {
    return this.#turns.take(async () => {
      const borrowed = await this.join();
      return mustNotWrite ? queryReadOnlyWithin<R>(borrowed, statement) : borrowed.query<R>(statement);
    });
  }

  /** Begins it, if it has not begun, and tells where it runs. */
  locate(): Promise<Pick<Borrowed, 'node' | 'role' | 'client'>> {
    return this.#turns.take(() => this.join());
  }

  /** A savepoint: it has this block's next turn, until it ends. */
  nest(): UnitOfWork {
    return new Savepoint(this, this.#turns);
  }

  /** Commits behind the statements asked for so far. Rejects when it can't, and then nothing is committed. */
  async complete(): Promise<void> {
    await this.#turns.take(async () => {
      const wasEnded = this.hasEnded;
      await this.#end((borrowed) => (wasEnded ? this.rollback(borrowed) : this.commit(borrowed)));
      if (wasEnded) this.#refuseWhenEnded();
    });
  }

  /** Rolls back after the statement that runs now; those behind it are refused. Never rejects. */
  async fail(): Promise<void> {
    this.#isEnded = true;
    // The error that led here is the one to tell; a connection that can't roll back is destroyed at release.
    await this.#turns.take(() => this.#end((borrowed) => this.rollback(borrowed))).catch(() => {});
  }

  async abandon(): Promise<void> {
    await this.fail();
  }

  /** The connection, with the block begun on it. Only within a turn. */
  async join(): Promise<Borrowed> {
    this.#refuseWhenEnded();
    this.#borrowed ??= await this.begin();
    return this.#borrowed;
  }

  async #end(finish: (borrowed: Borrowed) => Promise<void>): Promise<void> {
    this.#isEnded = true;
    const borrowed = this.#borrowed;
    this.#borrowed = undefined;
    try {
      if (borrowed) await finish(borrowed);
    } finally {
      this.leave(borrowed);
    }
  }

  #refuseWhenEnded(): void {
    if (!this.hasEnded) return;
    throw new PgMcpError(
      'TRANSACTION_ENDED',
      'the transaction has ended: await every statement within the function given to it',
    );
  }
}

export class Transaction extends UnitOfWork {
  readonly #source: ConnectionSource;
  readonly #options: TransactionOptions;

  constructor(source: ConnectionSource, options: TransactionOptions) {
    super();
    this.#source = source;
    this.#options = options;
  }

  protected async begin(): Promise<Borrowed> {
    const begin = beginStatement(this.#options);
    const borrowed = await this.#source.borrow();
    try {
      await borrowed.query({ text: borrowed.mustNotWrite ? `${begin} READ ONLY` : begin });
      return borrowed;
    } catch (error) {
      borrowed.release();
      throw error;
    }
  }

  protected async commit(borrowed: Borrowed): Promise<void> {
    const result = await borrowed.query({ text: 'COMMIT' });
    // COMMIT of a failed transaction succeeds, with the tag ROLLBACK (manual, COMMIT).
    if (result.command === 'ROLLBACK') throw rolledBack();
  }

  protected async rollback(borrowed: Borrowed): Promise<void> {
    await borrowed.query({ text: 'ROLLBACK' });
  }

  protected leave(borrowed: Borrowed | undefined): void {
    borrowed?.release();
  }
}

class Savepoint extends UnitOfWork {
  readonly #outer: UnitOfWork;
  readonly #turn: Promise<void>;
  #endTurn: () => void = () => {};

  constructor(outer: UnitOfWork, turnsOfOuter: Turns) {
    super();
    this.#outer = outer;
    const over = new Promise<void>((resolve) => (this.#endTurn = resolve));
    this.#turn = new Promise((itsTurn) => {
      void turnsOfOuter.take(() => {
        itsTurn();
        return over;
      });
    });
  }

  override get hasEnded(): boolean {
    return super.hasEnded || this.#outer.hasEnded;
  }

  protected async begin(): Promise<Borrowed> {
    await this.#turn;
    const borrowed = await this.#outer.join();
    await borrowed.query({ text: 'SAVEPOINT pg_mcp' });
    return borrowed;
  }

  protected async commit(borrowed: Borrowed): Promise<void> {
    try {
      await borrowed.query({ text: 'RELEASE SAVEPOINT pg_mcp' });
    } catch (error) {
      await this.rollback(borrowed);
      throw rolledBack(error);
    }
  }

  protected async rollback(borrowed: Borrowed): Promise<void> {
    await borrowed.query({ text: 'ROLLBACK TO SAVEPOINT pg_mcp; RELEASE SAVEPOINT pg_mcp' });
  }

  protected leave(): void {
    this.#endTurn();
  }
}

const ISOLATION_LEVELS: readonly IsolationLevel[] = [
  'read uncommitted',
  'read committed',
  'repeatable read',
  'serializable',
];

function beginStatement({ isolation, readOnly, deferrable }: TransactionOptions): string {
  if (isolation !== undefined && !ISOLATION_LEVELS.includes(isolation)) {
    throw new TypeError(
      `no isolation level: ${JSON.stringify(isolation)} (one of: ${ISOLATION_LEVELS.join(', ')})`,
    );
  }
  return [
    'BEGIN',
    isolation && `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    readOnly && 'READ ONLY',
    deferrable && 'DEFERRABLE',
  ]
    .filter(Boolean)
    .join(' ');
}

function rolledBack(cause?: unknown): PgMcpError {
  return new PgMcpError(
    'TRANSACTION_ABORTED',
    'a statement failed and its error was caught, so the server rolled back instead of committing',
    { cause },
  );
}
