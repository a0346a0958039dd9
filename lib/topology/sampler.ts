import type { Clock, Timer } from '../clock.js';

/** Between the beginnings of two samples. */
const CLOSEST_MS = 20;

/** Takes samples on demand: at most one at a time, at most one in 20 ms, and one more for who asked during one. */
export class Sampler {
  readonly #clock: Clock;
  readonly #sample: () => Promise<void>;
  #timer: Timer | undefined;
  #isWanted = false;
  #isSampling = false;
  #beganAt = -Infinity;
  #isStopped = false;

  /** @param sample Never rejects. */
  constructor(clock: Clock, sample: () => Promise<void>) {
    this.#clock = clock;
    this.#sample = sample;
  }

  wanted(): void {
    if (this.#isWanted || this.#isStopped) return;
    this.#isWanted = true;
    if (!this.#isSampling) this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    const dueMs = Math.max(0, this.#beganAt + CLOSEST_MS - this.#clock.now());
    this.#timer = this.#clock.setTimer(() => void this.#take(), dueMs, true);
  }

  async #take(): Promise<void> {
    this.#isWanted = false;
    this.#isSampling = true;
    this.#beganAt = this.#clock.now();
    await this.#sample();
    this.#isSampling = false;
    if (this.#isWanted && !this.#isStopped) this.#schedule();
  }
}
