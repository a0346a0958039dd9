import type { Clock, Timer } from '../clock.js';
import type { Observation } from './observation.js';
import type { Prober } from './prober.js';

export interface NodeWatchParts {
  readonly clock: Clock;
  readonly prober: Prober;
  /** Milliseconds from the end of a probe to the next. */
  readonly paceMs: () => number;
  /** Milliseconds after which a probe that has not ended waits no longer alone: the next one begins. */
  readonly hangsAfterMs: number;
  readonly took: (observation: Observation) => void;
}

/** The probes of one node, each at its time: while one hangs, the next begins all the same. */
export class NodeWatch {
  readonly #parts: NodeWatchParts;
  /** The probe that began last, while it is under way. */
  #latest: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isRunning = false;

  constructor(parts: NodeWatchParts) {
    this.#parts = parts;
  }

  /** Goes on probing until `stop`. */
  start(): void {
    this.#isRunning = true;
    this.hurry();
  }

  /** The pace may have changed: the next probe begins by the new one. */
  hurry(): void {
    if (this.#latest) this.#schedule(this.#parts.hangsAfterMs);
    else this.#schedule(this.#parts.paceMs());
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#timer?.cancel();
    await this.#parts.prober.stop();
  }

  /** Resolves when the probe that is under way has ended, or else one that begins now. */
  probe(): Promise<void> {
    return this.#latest ?? this.#begin();
  }

  /** The same, by a probe that begins after the call. */
  async probeAnew(): Promise<void> {
    await this.#latest;
    await this.probe();
  }

  #begin(): Promise<void> {
    const latest = this.#run().finally(() => {
      if (this.#latest !== latest) return;
      this.#latest = undefined;
      this.#schedule(this.#parts.paceMs());
    });
    this.#latest = latest;
    this.#schedule(this.#parts.hangsAfterMs);
    return latest;
  }

  async #run(): Promise<void> {
    this.#parts.took(await this.#parts.prober.probe());
  }

  #schedule(delayMs: number): void {
    if (!this.#isRunning) return;
    this.#timer?.cancel();
    // Each ends within its timeout, so there are never more than begin in that time.
    this.#timer = this.#parts.clock.setTimer(() => void this.#begin(), delayMs, true);
  }
}
