import { setImmediate } from 'node:timers/promises';
import type { Clock, Timer } from '../clock.js';

interface PendingTimer {
  readonly due: number;
  readonly task: () => void;
}

/** A clock that stands still until a test moves it. Times are in milliseconds. */
export class ManualClock implements Clock {
  #now: number;
  // In the order they will run: by due time, and those due together in the order they were set.
  readonly #timers: PendingTimer[] = [];

  constructor(startMs = 0) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  /** How many timers are set and have not run. */
  get pending(): number {
    return this.#timers.length;
  }

  setTimer(task: () => void, delayMs: number): Timer {
    const timer = { due: this.#now + Math.max(0, delayMs), task };
    const later = this.#timers.findIndex((other) => other.due > timer.due);
    this.#timers.splice(later === -1 ? this.#timers.length : later, 0, timer);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index !== -1) this.#timers.splice(index, 1);
      },
    };
  }

  /**
   * Moves on by `ms` and runs each timer that falls due, in order, at its own time, including timers that
   * are set on the way. What a timer sets off in promises is finished before the next one runs, so that a
   * loop which awaits its timers turns as often as it would in real time.
   *
   * An error thrown by a timer rejects the promise; the clock then stands at that timer.
   *
   * @throws RangeError when `ms` is negative: time doesn't go back.
   */
  async advance(ms: number): Promise<void> {
    const target = this.#target(ms);
    await setImmediate();
    while (this.#runNext(target)) await setImmediate();
    this.#now = target;
    await setImmediate();
  }

  /** Like `advance`, for code without promises: everything has run when it returns. */
  advanceSync(ms: number): void {
    const target = this.#target(ms);
    while (this.#runNext(target));
    this.#now = target;
  }

  #target(ms: number): number {
    if (!(ms >= 0)) throw new RangeError(`a clock can't be advanced by ${ms} ms`);
    return this.#now + ms;
  }

  #runNext(target: number): boolean {
    const [next] = this.#timers;
    if (next === undefined || next.due > target) return false;
    this.#timers.shift();
    // A timer set with a delay of zero may be older than a clock that another `advance` has moved since.
    this.#now = Math.max(this.#now, next.due);
    next.task();
    return true;
  }
}
