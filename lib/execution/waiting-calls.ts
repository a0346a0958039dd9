import { PgMcpError } from '../errors.js';
import { whyNoPrimary } from '../routing/route.js';
import type { Monitor } from '../topology/monitor.js';
import { rivalsIn, type Topology } from '../topology/topology.js';

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
   * Resolves with the first topology that `suits`; with undefined when none came in time, or where two nodes claim to
   * be the primary: somebody must decide that, and it may take long.
   *
   * @throws PgMcpError `NO_PRIMARY` where as many wait as may.
   */
  async until(suits: (topology: Topology) => boolean, timeoutMs: number): Promise<Topology | undefined> {
    const { topology } = this.#monitor;
    if (suits(topology)) return topology;
    if (this.#waiting >= this.#most) throw this.#tooMany();
    this.#waiting++;
    const over = this.#monitor.seek();
    try {
      const last = await this.#monitor.until((next) => suits(next) || isSplit(next), timeoutMs);
      return last && suits(last) ? last : undefined;
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

function isSplit(topology: Topology): boolean {
  return topology.primary === undefined && rivalsIn(topology).length > 0;
}
