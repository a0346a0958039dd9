import type { Clock, Timer } from '../clock.js';

const FIRST_MS = 100;
const MOST_MS = 5_000;

/** Spaces attempts out while they fail: 100 ms, doubled each time up to 5 s, each spread by half at random. */
export class Backoff {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #retry: Timer | undefined;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** The next attempt is planned. */
  get isWaiting(): boolean {
    return this.#retry !== undefined;
  }

  /** Plans the next attempt. What fails while one is planned, a burst of attempts say, counts as that failure too. */
  failed(retry: () => void): void {
    if (this.#retry) return;
    const ceiling = Math.min(FIRST_MS * 2 ** this.#failures, MOST_MS);
    this.#failures++;
    this.#retry = this.#clock.setTimer(
      () => {
        this.#retry = undefined;
        retry();
      },
      ceiling * (0.5 + this.#random() / 2),
      true,
    );
  }

  succeeded(): void {
    this.#failures = 0;
    this.cancel();
  }

  cancel(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
  }
}
