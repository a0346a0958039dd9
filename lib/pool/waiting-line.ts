import type { Clock, Timer } from '../clock.js';

interface Waiter<T> {
  resolve(item: T): void;
  reject(error: Error): void;
  readonly timeout: Timer;
}

/** Callers who wait for an item, first come, first served, each for a bounded time. */
export class WaitingLine<T> {
  readonly #clock: Clock;
  // A set keeps the order of arrival, and one who gives up leaves it in constant time.
  readonly #waiters = new Set<Waiter<T>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.#waiters.size;
  }

  /** Rejects with what `onTimeout` makes of the elapsed milliseconds, when nobody served in time. */
  join(timeoutMs: number, onTimeout: (elapsedMs: number) => Error): Promise<T> {
    const began = this.#clock.now();
    return new Promise<T>((resolve, reject) => {
      const giveUp = () => {
        // The error counts those who wait: this one among them.
        const error = onTimeout(this.#clock.now() - began);
        this.#waiters.delete(waiter);
        reject(error);
      };
      const waiter: Waiter<T> = { resolve, reject, timeout: this.#clock.setTimer(giveUp, timeoutMs) };
      this.#waiters.add(waiter);
    });
  }

  /** Gives the item to who waits longest; false when nobody waits. */
  serve(item: T): boolean {
    for (const waiter of this.#waiters) {
      this.#leave(waiter);
      waiter.resolve(item);
      return true;
    }
    return false;
  }

  turnAway(error: Error): void {
    for (const waiter of this.#waiters) {
      this.#leave(waiter);
      waiter.reject(error);
    }
  }

  #leave(waiter: Waiter<T>): void {
    this.#waiters.delete(waiter);
    waiter.timeout.cancel();
  }
}
