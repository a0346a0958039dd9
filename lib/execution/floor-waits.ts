import { patiently, type Clock } from '../clock.js';
import { PgMcpError } from '../errors.js';
import type { Session } from '../session/session.js';
import type { Monitor } from '../topology/monitor.js';
import type { Topology } from '../topology/topology.js';
import { floorIsReached, floorOf, type ReplicaDemand } from './demand.js';
import type { Tally } from './tally.js';

export interface FloorWaitsParts {
  readonly clock: Clock;
  readonly monitor: Monitor;
  readonly tally: Tally;
  readonly acquireTimeoutMs: number;
}

/** Waits until it is known where there is what a session has written. */
export class FloorWaits {
  readonly #parts: FloorWaitsParts;

  constructor(parts: FloorWaitsParts) {
    this.#parts = parts;
  }

  /**
   * Another process has heard of a newer timeline: this one looks once. A session that was ahead of what is found
   * then belongs to a life that the cluster has left, as after a restore.
   */
  async lookAhead({ session, isBound }: ReplicaDemand, deadline: number): Promise<void> {
    const { monitor, tally, clock } = this.#parts;
    if (!isBound || !session.isMarked || floorOf(session, monitor.topology) !== 'ahead') return;
    await patiently(clock, monitor.probeAllAnew(), Math.max(0, deadline - clock.now()));
    const { topology } = monitor;
    // One that did not answer may be the one that was promoted.
    const haveAllAnswered =
      topology.primary !== undefined && topology.nodes.every(({ failures }) => failures === 0);
    if (!haveAllAnswered || floorOf(session, topology) !== 'ahead') return;
    session.forgetAhead(monitor.topology.newestTimeline);
    tally.ignoredToken('forked');
  }

  /** @throws PgMcpError `CONSISTENCY_UNAVAILABLE` after `acquire_timeout`. */
  async untilReplayed(node: string, session: Session): Promise<void> {
    const { monitor, acquireTimeoutMs } = this.#parts;
    const has = (topology: Topology) => {
      const found = floorIsReached(session, topology, node);
      if (!found) monitor.sampleSoon();
      return found;
    };
    if (await monitor.until(has, acquireTimeoutMs)) return;
    throw new PgMcpError(
      'CONSISTENCY_UNAVAILABLE',
      `${node}, whose connection is held, is not known to have what this session has written`,
      { safeToRetry: true },
    );
  }
}
