import type { Clock, Timer } from '../clock.js';

/** Between the beginnings of two samples; and at most, while one after the other brings nothing new. */
const CLOSEST_MS = 20;
const FARTHEST_MS = 250;
/** So many may bring nothing new before they become rarer. */
const MOST_IN_VAIN = 10;

/**
 * Takes samples on demand: at most one at a time, at most one in 20 ms, less and less often while they bring nothing
 * new, and one more for who asked during one.
 */
export class Sampler {
  readonly #clock: Clock;
  readonly #sample: () => Promise<boolean>;
  #timer: Timer | undefined;
  #inVain = 0;
  #isWanted = false;
  #isSampling = false;
  #beganAt = -Infinity;
  #isStopped = false;

  /** @param sample Whether it has brought anything new. Never rejects. */
  constructor(clock: Clock, sample: () => Promise<boolean>) {
    this.#clock = clock;
    this.#sample = sample;
  }

  /** @param isNews There is something to see: that it was long in vain counts no more. */
  wanted(isNews = false): void {
    if (this.#isStopped) return;
    const isSooner = isNews && this.#inVain > MOST_IN_VAIN;
    if (isNews) this.#inVain = 0;
    if (this.#isWanted && !isSooner) return;
    this.#isWanted = true;
    if (!this.#isSampling) this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer?.cancel();
    const rarer = 2 ** Math.max(0, this.#inVain - MOST_IN_VAIN);
    const gapMs = Math.min(CLOSEST_MS * rarer, FARTHEST_MS);
    const dueMs = Math.max(0, this.#beganAt + gapMs - this.#clock.now());
    this.#timer = this.#clock.setTimer(() => void this.#take(), dueMs, true);
  }

  async #take(): Promise<void> {
    this.#isWanted = false;
    this.#isSampling = true;
    this.#beganAt = this.#clock.now();
    const isNew = await this.#sample();
    this.#isSampling = false;
    this.#inVain = isNew ? 0 : this.#inVain + 1;
    if (this.#isWanted && !this.#isStopped) this.#schedule();
  }
}
