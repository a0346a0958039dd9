/** The share by which a round trip may lengthen with each call, so that one quick answer does not count for good. */
const LENGTHENS = 0.02;

/** How quickly a server answers what finds it free: what a call takes beyond that is its own doing. */
export class Pace {
  #roundTripMs: number | undefined;

  /** What the quickest answers of late took; 0 while there was none. */
  get roundTripMs(): number {
    return this.#roundTripMs ?? 0;
  }

  /** What a call took for itself that was the first on its connection. */
  ofFirst(tookMs: number): number {
    this.#roundTripMs = Math.min(tookMs, (this.#roundTripMs ?? tookMs) * (1 + LENGTHENS));
    return tookMs - this.#roundTripMs;
  }

  /** The same for one that had a connection to itself. Those may be slow ones only: they lengthen nothing. */
  ofLone(tookMs: number): number {
    this.#roundTripMs = Math.min(tookMs, this.#roundTripMs ?? tookMs);
    return tookMs - this.#roundTripMs;
  }
}
