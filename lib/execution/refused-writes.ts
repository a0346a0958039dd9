import { patiently, type Clock } from '../clock.js';
import type { Monitor } from '../topology/monitor.js';
import { nodeOf, type Topology } from '../topology/topology.js';
import { noPrimary } from './nobody.js';
import type { Ordeal } from './ordeal.js';
import type { WaitingCalls } from './waiting-calls.js';

export interface RefusedWritesParts {
  readonly clock: Clock;
  readonly monitor: Monitor;
  readonly waiting: WaitingCalls;
}

/**
 * Writes that the node which was taken for the primary refused as read-only: nothing was done. It may be a standby by
 * now, or be fenced, as the old primary is in a planned switchover: then they wait for whoever takes over.
 */
export class RefusedWrites {
  readonly #parts: RefusedWritesParts;

  constructor(parts: RefusedWritesParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when there is a primary that may take it.
   *
   * @throws the refusal, where the node is the primary still and lets others write: then it is the caller's own
   * setting; or where it is fenced and no other came within the call's patience.
   * @throws PgMcpError `NO_PRIMARY` where there is none.
   */
  async untilTaken(refusal: unknown, node: string, ordeal: Ordeal): Promise<void> {
    const { clock, monitor, waiting } = this.#parts;
    const deadline = clock.now() + ordeal.patienceMs;
    ordeal.lastError = refusal;
    await patiently(clock, monitor.probeAnew(node), ordeal.patienceMs);
    if (isWritable(monitor.topology, node)) throw refusal;
    const takes = (topology: Topology) =>
      topology.primary !== undefined && (topology.primary !== node || isWritable(topology, node));
    const found = await waiting.until(takes, Math.max(0, deadline - clock.now()));
    ordeal.patienceMs = Math.max(0, deadline - clock.now());
    if (found) return;
    throw monitor.topology.primary === undefined ? noPrimary(monitor.topology, refusal) : refusal;
  }
}

function isWritable(topology: Topology, node: string): boolean {
  if (topology.primary !== node) return false;
  const state = nodeOf(topology, node);
  return state?.health === 'up' && state.facts?.isReadOnly !== true;
}
