import { PgMcpError } from '../errors.js';

/** Why a call may end before its work: the caller's signal, or that nobody waits for it any more. */
export class Stop {
  readonly signal: AbortSignal;
  readonly #abandoned = new AbortController();

  constructor(given: AbortSignal | undefined) {
    const own = this.#abandoned.signal;
    this.signal = given ? AbortSignal.any([given, own]) : own;
  }

  abandon(): void {
    this.#abandoned.abort(
      new PgMcpError(
        'LEASE_RELEASED',
        'the connection was given back: the scope that it belongs to has ended, or the client of the request has hung up',
      ),
    );
  }

  /** The work's end, or the reason to stop, whichever comes first. What comes late is given to `tidy`. */
  async until<T>(work: Promise<T>, tidy: (late: T) => unknown = () => {}): Promise<T> {
    const { signal } = this;
    let stop = () => {};
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
    });
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    try {
      return await Promise.race([stopped, work]);
    } catch (error) {
      if (signal.aborted) void work.then(tidy).catch(() => {});
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** What a failure comes from: of a connection that was cut, the reason to cut it. */
  reasonFor(error: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : error;
  }

  /** Runs a piece of work that only `cut` can end early. */
  async cutting<T>(cut: () => void, work: () => Promise<T>): Promise<T> {
    const { signal } = this;
    signal.throwIfAborted();
    signal.addEventListener('abort', cut);
    try {
      return await work();
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }
}
