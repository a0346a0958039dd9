import { PgMcpError } from '../errors.js';
import { whyNoPrimary } from '../routing/route.js';
import type { Monitor } from '../topology/monitor.js';
import type { Topology } from '../topology/topology.js';

/** The calls that wait for a primary: no more than may, and while any does the nodes are asked often. */
export class WaitingCalls {
  readonly #monitor: Monitor;
  readonly #most: number;
  #waiting = 0;

  /** @param most `failover.max_waiting_calls`. */
  constructor(monitor: Monitor, most: number) {
    this.#monitor = monitor;
    this.#most = most;
  }

  /**
   * Resolves with the first topology that `suits`; with undefined when none came in time.
   *
   * @throws PgMcpError `NO_PRIMARY` where as many wait as may.
   */
  async until(suits: (topology: Topology) => boolean, timeoutMs: number): Promise<Topology | undefined> {
    if (suits(this.#monitor.topology)) return this.#monitor.topology;
    if (this.#waiting >= this.#most) throw this.#tooMany();
    this.#waiting++;
    const over = this.#monitor.seek();
    try {
      return await this.#monitor.until(suits, timeoutMs);
    } finally {
      over();
      this.#waiting--;
    }
  }

  #tooMany(): PgMcpError {
    const why = whyNoPrimary(this.#monitor.topology);
    return new PgMcpError(
      'NO_PRIMARY',
      `no primary to send this to, and ${this.#waiting} calls wait for one already (failover.max_waiting_calls): ${why}`,
      { safeToRetry: true, reason: 'too-many-waiting' },
    );
  }
}
