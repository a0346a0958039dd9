import type { Clock } from '../clock.js';
import { PgMcpError } from '../errors.js';
import type { QueryResult, Row, Statement } from '../query.js';
import { Sublet, type Borrowed } from './borrowed.js';

/**
 * Bounds how long a statement waits behind a nested block of its transaction that does nothing, or behind a COPY whose
 * source or reader does: they may wait for this very statement, and then neither would ever go on.
 */
export class Patience {
  readonly #clock: Clock;
  readonly #limitMs: number;
  #running = 0;
  #quietSince: number;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#quietSince = clock.now();
  }

  /** The connection of the transaction: while a statement runs on it, no patience is lost. */
  watch(borrowed: Borrowed): Borrowed {
    return new Watched(borrowed, this);
  }

  /** Something runs on the connection that nobody here sees, until the returned function is called. */
  suspend(): () => void {
    let isOver = false;
    this.#running++;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#running--;
      this.#quietSince = this.#clock.now();
    };
  }

  /**
   * @param begin Takes a turn for the work it is given.
   * @throws PgMcpError `ACQUIRE_TIMEOUT` when nothing has run for so long; the work is not done then.
   */
  wait<T>(begin: (whileWaited: (work: () => Promise<T>) => Promise<T>) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const lose = () => {
        const leftMs = this.#limitMs - (this.#clock.now() - Math.max(began, this.#quietSince));
        if (this.#running > 0 || leftMs > 0) {
          timer = this.#clock.setTimer(lose, this.#running > 0 ? this.#limitMs : leftMs);
        } else {
          isLost = true;
          reject(timedOut(this.#clock.now() - began));
        }
      };
      const began = this.#clock.now();
      let isLost = false;
      let timer = this.#clock.setTimer(lose, this.#limitMs);
      begin(async (work) => {
        timer.cancel();
        if (isLost) throw timedOut(this.#limitMs);
        return work();
      }).then(resolve, reject);
    });
  }
}

/** A connection on which no patience is lost while something runs. */
class Watched extends Sublet {
  constructor(
    from: Borrowed,
    private readonly patience: Patience,
  ) {
    super(from);
  }

  override query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    return this.#whileItRuns(() => super.query<R>(statement));
  }

  override commit(): Promise<QueryResult> {
    return this.#whileItRuns(() => super.commit());
  }

  async #whileItRuns<T>(work: () => Promise<T>): Promise<T> {
    const over = this.patience.suspend();
    try {
      return await work();
    } finally {
      over();
    }
  }
}

function timedOut(elapsedMs: number): PgMcpError {
  return new PgMcpError(
    'ACQUIRE_TIMEOUT',
    `the connection did not come free within ${Math.round(elapsedMs)} ms: a nested transaction or a COPY has it and runs nothing; no other statement can run on it before that has ended, so don't await one in there, nor in the source of a COPY`,
    { safeToRetry: true },
  );
}
