/** So a hundred stacks a second are taken, which is a tenth of a per cent of a core. */
const EACH_MS = 10;
/** A hundred more at once after a quiet time. */
const BURST_MS = 1_000;

/** Bounds what stacks cost: where many connections are taken in a second, of some it is not told by which calls. */
export class StackAllowance {
  #spentUntil = -Infinity;

  /** @param now Milliseconds of the clock. */
  allows(now: number): boolean {
    const from = Math.max(this.#spentUntil, now - BURST_MS);
    if (from + EACH_MS > now) return false;
    this.#spentUntil = from + EACH_MS;
    return true;
  }
}
