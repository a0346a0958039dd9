import type { Clock, Timer } from '../clock.js';

/** Gets an item, or an error that says why there is none. */
export type Served<T> = (error: Error | undefined, item?: T) => void;

interface Waiter<T> {
  readonly served: Served<T>;
  readonly since: number;
  readonly deadline: number;
  readonly onTimeout: (elapsedMs: number) => Error;
}

/** Callers who wait for an item, first come, first served, each for a bounded time. */
export class WaitingLine<T> {
  readonly #clock: Clock;
  // A set keeps the order of arrival, and one who gives up leaves it in constant time.
  readonly #waiters = new Set<Waiter<T>>();
  /** One for all, at the first deadline: most are served long before theirs. */
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.#waiters.size;
  }

  /** Serves the caller, or tells what `onTimeout` makes of the elapsed milliseconds when nobody did in time. */
  join(timeoutMs: number, onTimeout: (elapsedMs: number) => Error, served: Served<T>): void {
    const since = this.#clock.now();
    const deadline = since + timeoutMs;
    this.#waiters.add({ served, since, deadline, onTimeout });
    if (deadline < this.#timerAt) this.#wakeAt(deadline, since);
  }

  /** Gives the item to who waits longest; false when nobody waits. */
  serve(item: T): boolean {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.served(undefined, item);
      return true;
    }
    return false;
  }

  turnAway(error: Error): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    this.#sleep();
    for (const waiter of waiters) waiter.served(error);
  }

  #wakeAt(deadline: number, now: number): void {
    this.#timer?.cancel();
    this.#timerAt = deadline;
    this.#timer = this.#clock.setTimer(() => this.#look(), deadline - now);
  }

  #sleep(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  #look(): void {
    const now = this.#clock.now();
    this.#sleep();
    for (const waiter of this.#waiters) {
      if (waiter.deadline > now) continue;
      // The error counts those who wait: this one among them.
      const error = waiter.onTimeout(now - waiter.since);
      this.#waiters.delete(waiter);
      waiter.served(error);
    }
    let next = Infinity;
    for (const { deadline } of this.#waiters) next = Math.min(next, deadline);
    if (next < this.#timerAt) this.#wakeAt(next, now);
  }
}
