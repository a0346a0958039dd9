import type { Clock, Timer } from '../clock.js';

/** Between the beginnings of two samples; and while no replica gets on, at most. */
const CLOSEST_MS = 20;
const FARTHEST_MS = 250;

/**
 * Takes samples on demand: at most one at a time, at most one in 20 ms, less and less often while they bring nothing
 * new, and one more for who asked during one.
 */
export class Sampler {
  readonly #clock: Clock;
  readonly #sample: () => Promise<boolean>;
  #timer: Timer | undefined;
  #gapMs = CLOSEST_MS;
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
    const isSooner = isNews && this.#gapMs > CLOSEST_MS;
    if (isSooner) this.#gapMs = CLOSEST_MS;
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
    const dueMs = Math.max(0, this.#beganAt + this.#gapMs - this.#clock.now());
    this.#timer = this.#clock.setTimer(() => void this.#take(), dueMs, true);
  }

  async #take(): Promise<void> {
    this.#isWanted = false;
    this.#isSampling = true;
    this.#beganAt = this.#clock.now();
    const isNew = await this.#sample();
    this.#isSampling = false;
    this.#gapMs = isNew ? CLOSEST_MS : Math.min(this.#gapMs * 2, FARTHEST_MS);
    if (this.#isWanted && !this.#isStopped) this.#schedule();
  }
}
