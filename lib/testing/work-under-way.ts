import { failure } from './failure.js';

/**
 * What a cluster is busy with. It is let end before the cluster is cleared away: it might start a server
 * after the last one was ended.
 */
export class WorkUnderWay {
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw failure('the embedded cluster has been stopped');
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Takes no more, and waits for what runs. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
  }
}
