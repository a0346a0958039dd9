import type { Role } from '../config/settings.js';
import { PgMcpError } from '../errors.js';
import type { QueryResult, Row, Statement } from '../query.js';
import { refuseMisfit, type TransactionModes } from '../transaction-modes.js';
import type { Borrowed, ConnectionSource } from './borrowed.js';
import { Lending, type Lent } from './lending.js';
import type { Patience } from './patience.js';
import { queryReadOnlyWithin } from './read-only.js';
import { Turns } from './turns.js';

export interface StatementTraits {
  /** Held to reading, though the transaction may write. */
  readonly mustNotWrite?: boolean;
  /** The connection keeps something of it behind the transaction. */
  readonly leavesTraces?: boolean;
  /** Told where it will run, before it does. */
  readonly willRunOn?: (role: Role) => void;
}

/**
 * A transaction, or a savepoint in one. It begins with its first statement.
 *
 * Statements and nested blocks take turns, so a nested block is alone on the connection from its first
 * statement until it ends: what its rollback undoes is its own.
 */
export abstract class UnitOfWork {
  readonly #turns = new Turns();
  readonly #patience: Patience;
  readonly #lending: Lending;
  /** Nested blocks that have the turn or wait for it. */
  readonly #nested = new Set<UnitOfWork>();
  #borrowed: Borrowed | undefined;
  /** How often its connection was asked for. */
  #joined = 0;
  /** It has failed and has no connection any more. */
  #failure: unknown;
  #isEnded = false;

  constructor(patience: Patience) {
    this.#patience = patience;
    this.#lending = new Lending(patience);
  }

  /** Brings the block into being on a connection and returns that. */
  protected abstract begin(): Promise<Borrowed>;
  protected abstract commit(borrowed: Borrowed): Promise<void>;
  protected abstract rollback(borrowed: Borrowed): Promise<void>;
  /**
   * What failed was all that it had done: gives the connection back and resolves when it may begin anew on another;
   * rejects where there is none. Undefined where that would not help.
   */
  protected abstract forsake(borrowed: Borrowed, error: unknown): Promise<void> | undefined;
  /** It is over, begun or not. */
  protected abstract leave(borrowed: Borrowed | undefined): void;
  /** How it runs. */
  abstract readonly modes: TransactionModes;
  /** Asks for what the first statement will need, in the order of asking. */
  abstract reserve(): void;
  /** Whether its statements run on what that one has: a block around it, or the connection it was begun on. */
  abstract isWithin(outer: UnitOfWork | ConnectionSource): boolean;

  /** No statement is taken any more. */
  get hasEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * @throws PgMcpError `TRANSACTION_ENDED` after the end; `ACQUIRE_TIMEOUT` behind a nested block that does
   * nothing for so long: it may well wait for this very statement.
   */
  query<R = Row>(
    statement: Statement,
    { mustNotWrite = false, leavesTraces = false, willRunOn }: StatementTraits = {},
  ): Promise<QueryResult<R>> {
    return this.#inTurn(async () => {
      const run = async () => {
        const borrowed = await this.join();
        if (leavesTraces) borrowed.taint();
        willRunOn?.(borrowed.role);
        return mustNotWrite ? queryReadOnlyWithin<R>(borrowed, statement) : borrowed.query<R>(statement);
      };
      try {
        return await run();
      } catch (error) {
        if (mustNotWrite || this.#joined > 1) throw error;
        await this.#beginAnew(error);
        return run();
      }
    });
  }

  /**
   * The connection for a turn that may last, for who speaks to it himself; its `release` ends the turn.
   *
   * @param abandon Told when the block ends before that.
   */
  lend(
    { leavesTraces = false, willRunOn }: Omit<StatementTraits, 'mustNotWrite'>,
    abandon: () => void,
  ): Promise<Lent> {
    return new Promise((resolve, reject) => {
      this.#inTurn(async () => {
        const borrowed = await this.join();
        if (leavesTraces) borrowed.taint();
        willRunOn?.(borrowed.role);
        await this.#lending.lend(borrowed, abandon, resolve);
      }).catch(reject);
    });
  }

  /** Begins it, if it has not begun, and tells where it runs. */
  locate(): Promise<Omit<Borrowed, 'query' | 'commit' | 'release' | 'cut'>> {
    return this.#inTurn(() => this.join());
  }

  /** A savepoint: it has a turn of this block from its first statement until it ends. That is refused what this can't be. */
  nest(modes: TransactionModes = {}): UnitOfWork {
    return new Savepoint(this, this.#patience, modes);
  }

  /** Gives a nested block the next turn, to keep until the returned function is called. */
  enter(nested: UnitOfWork): { readonly turn: Promise<void>; leave(): void } {
    this.#nested.add(nested);
    let leave = () => {};
    const over = new Promise<void>((resolve) => (leave = resolve));
    const turn = new Promise<void>((itsTurn) => {
      void this.#turns.take(() => {
        itsTurn();
        return over;
      });
    });
    return {
      turn,
      leave: () => {
        this.#nested.delete(nested);
        leave();
      },
    };
  }

  /** Commits behind the statements asked for so far. Rejects when it can't, and then nothing is committed. */
  async complete(): Promise<void> {
    const finish = async () => {
      const wasEnded = this.#isEnded;
      await this.#end((borrowed) => (wasEnded ? this.rollback(borrowed) : this.commit(borrowed)));
      if (wasEnded) this.#refuseWhenEnded();
      if (this.#failure !== undefined) throw rolledBack(this.#failure);
    };
    try {
      await this.#lending.wait((work) => this.#turns.take(work), finish);
    } catch (error) {
      // What nobody reads on would hold it for ever.
      if (this.#lending.isUnderWay) await this.fail();
      throw error;
    }
  }

  /** Rolls back after the statement that runs now; those behind it are refused. Never rejects. */
  async fail(): Promise<void> {
    this.#isEnded = true;
    this.#lending.abandonAll();
    for (const nested of this.#nested) void nested.fail();
    // The error that led here is the one to tell; a connection that can't roll back is destroyed at release.
    await this.#turns.take(() => this.#end((borrowed) => this.rollback(borrowed))).catch(() => {});
  }

  async abandon(): Promise<void> {
    await this.fail();
  }

  /** The connection, with the block begun on it. Only within a turn. */
  async join(): Promise<Borrowed> {
    this.#refuseWhenEnded();
    if (this.#failure !== undefined) throw this.#failure;
    this.#borrowed ??= await this.begin();
    this.#joined++;
    // It may have been given up while it waited for the connection.
    this.#refuseWhenEnded();
    return this.#borrowed;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.reserve();
    return this.#nested.size === 0 && !this.#lending.isUnderWay
      ? this.#turns.take(work)
      : this.#patience.wait((whileWaited) => this.#turns.take(() => whileWaited(work)));
  }

  async #beginAnew(error: unknown): Promise<void> {
    const forsaken = this.#borrowed && !this.#isEnded ? this.forsake(this.#borrowed, error) : undefined;
    if (!forsaken) throw error;
    this.#borrowed = undefined;
    try {
      await forsaken;
    } catch (failure) {
      // As after any failed statement: whatever follows is refused, and nothing can be committed.
      this.#failure = failure;
      throw failure;
    }
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
    if (!this.#isEnded) return;
    throw new PgMcpError(
      'TRANSACTION_ENDED',
      'the transaction has ended: await every statement within the function given to it, and begin those of an Observable when it is subscribed to (defer)',
    );
  }
}

class Savepoint extends UnitOfWork {
  readonly #outer: UnitOfWork;
  readonly #asked: TransactionModes;
  #stay: ReturnType<UnitOfWork['enter']> | undefined;

  constructor(outer: UnitOfWork, patience: Patience, asked: TransactionModes) {
    super(patience);
    this.#outer = outer;
    this.#asked = asked;
  }

  get modes(): TransactionModes {
    return this.#asked.readOnly === true ? { ...this.#outer.modes, readOnly: true } : this.#outer.modes;
  }

  /** Not before it is needed: a block that runs nothing, or not yet, keeps nobody waiting. */
  reserve(): void {
    if (this.#stay || this.hasEnded) return;
    this.#outer.reserve();
    this.#stay = this.#outer.enter(this);
  }

  isWithin(outer: UnitOfWork | ConnectionSource): boolean {
    return outer === this || this.#outer.isWithin(outer);
  }

  protected async begin(): Promise<Borrowed> {
    refuseMisfit(this.#outer.modes, this.#asked);
    await this.#stay?.turn;
    const borrowed = await this.#outer.join();
    await borrowed.query({
      text: this.#asked.readOnly === true ? `${SAVEPOINT}; SET TRANSACTION READ ONLY` : SAVEPOINT,
    });
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

  protected forsake(): undefined {
    return undefined;
  }

  protected leave(): void {
    this.#stay?.leave();
  }
}

const SAVEPOINT = 'SAVEPOINT pg_mcp';

export function rolledBack(cause?: unknown): PgMcpError {
  return new PgMcpError(
    'TRANSACTION_ABORTED',
    'a statement failed and its error was caught, so the server rolled back instead of committing',
    { cause },
  );
}
