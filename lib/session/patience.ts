import type { Clock } from '../clock.js';
import { PgMcpError } from '../errors.js';
import type { Borrowed } from './borrowed.js';

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
    const whileItRuns = async <T>(work: () => Promise<T>): Promise<T> => {
      const over = this.suspend();
      try {
        return await work();
      } finally {
        over();
      }
    };
    return {
      node: borrowed.node,
      role: borrowed.role,
      mustNotWrite: borrowed.mustNotWrite,
      client: borrowed.client,
      get state() {
        return borrowed.state;
      },
      dropSettings: () => borrowed.dropSettings(),
      query: (statement) => whileItRuns(() => borrowed.query(statement)),
      commit: () => whileItRuns(() => borrowed.commit()),
      taint: () => borrowed.taint(),
      release: () => borrowed.release(),
      cut: (cause) => borrowed.cut(cause),
    };
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

function timedOut(elapsedMs: number): PgMcpError {
  return new PgMcpError(
    'ACQUIRE_TIMEOUT',
    `the connection did not come free within ${Math.round(elapsedMs)} ms: a nested transaction or a COPY has it and runs nothing; no other statement can run on it before that has ended, so don't await one in there, nor in the source of a COPY`,
    { safeToRetry: true },
  );
}
