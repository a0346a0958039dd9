import { ConnectionLostError } from '../errors.js';
import { checkIsolation, type TransactionModes } from '../transaction-modes.js';
import type { Borrowed, ConnectionSource } from './borrowed.js';
import type { Patience } from './patience.js';
import { isReadOnlyRefusal } from './read-only.js';
import { rolledBack, UnitOfWork } from './unit-of-work.js';

export interface TransactionOptions extends TransactionModes {
  /** How often the function runs again after a serialization failure (40001) or a deadlock (40P01). Default 0. */
  readonly retry?: number;
}

/** How many connections may turn out dead at `BEGIN`: of those that were idle, several may have gone at once. */
const MOST_BEGINS = 4;

export class Transaction extends UnitOfWork {
  readonly #source: ConnectionSource;
  readonly #options: TransactionOptions;
  readonly #patience: Patience;

  constructor(source: ConnectionSource, options: TransactionOptions, patience: Patience) {
    super(patience);
    this.#source = source;
    this.#options = options;
    this.#patience = patience;
  }

  get modes(): TransactionModes {
    return this.#options;
  }

  reserve(): void {}

  isWithin(outer: UnitOfWork | ConnectionSource): boolean {
    return outer === this || outer === this.#source;
  }

  /** Where the connection breaks at `BEGIN` nothing has been asked of the server yet: another one serves as well. */
  protected async begin(): Promise<Borrowed> {
    const begin = beginStatement(this.#options);
    for (let attempt = 1; ; attempt++) {
      const borrowed = await this.#source.borrow();
      try {
        await borrowed.query({ text: begin });
        return this.#patience.watch(borrowed);
      } catch (error) {
        borrowed.release();
        if (attempt >= MOST_BEGINS || !(error instanceof ConnectionLostError)) throw error;
      }
    }
  }

  protected async commit(borrowed: Borrowed): Promise<void> {
    const isRead = this.#options.readOnly === true;
    const result = await (isRead ? borrowed.query({ text: 'COMMIT' }) : borrowed.commit());
    // COMMIT of a failed transaction succeeds, with the tag ROLLBACK (manual, COMMIT).
    if (result.command === 'ROLLBACK') throw rolledBack();
  }

  protected async rollback(borrowed: Borrowed): Promise<void> {
    await borrowed.query({ text: 'ROLLBACK' });
  }

  protected forsake(borrowed: Borrowed, error: unknown): Promise<void> | undefined {
    if (!this.#source.refused || this.#options.readOnly === true || !isReadOnlyRefusal(error))
      return undefined;
    return this.#moveOn(borrowed, error);
  }

  async #moveOn(borrowed: Borrowed, error: unknown): Promise<void> {
    await this.rollback(borrowed).catch(() => {});
    borrowed.release();
    await this.#source.refused?.(error, borrowed);
  }

  protected leave(borrowed: Borrowed | undefined): void {
    borrowed?.release();
  }
}

function beginStatement({ isolation, readOnly, deferrable }: TransactionModes): string {
  checkIsolation(isolation);
  return [
    'BEGIN',
    isolation && `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    readOnly && 'READ ONLY',
    deferrable && 'DEFERRABLE',
  ]
    .filter(Boolean)
    .join(' ');
}
