import type { RouteReason } from '../routing/route.js';
import type { Demand } from './demand.js';
import { nodeOf, type Topology } from '../topology/topology.js';

/** What one call has been through. */
export interface Ordeal {
  /** The nodes on which it has failed, and when; undefined for nearly all calls. */
  failed: Map<string, number> | undefined;
  /** Milliseconds it may still wait. */
  patienceMs: number;
  lastError?: unknown;
  /** Why the replicas that could serve did not, where it is no failure of theirs. */
  whyNoReplica?: RouteReason;
}

/** A call has failed there. */
export function noteFailure(ordeal: Ordeal, node: string, at: number): void {
  ordeal.failed ??= new Map();
  ordeal.failed.set(node, at);
}

const NONE: ReadonlySet<string> = new Set();

/** Who waits for a replica takes one again where it failed, once a probe since then has found it well. */
export function stillFailed(
  failed: Ordeal['failed'],
  topology: Topology,
  intent: Demand,
): ReadonlySet<string> {
  if (!failed) return NONE;
  const mayReturn = intent.target === 'replica' && intent.onUnavailable === 'wait';
  const isBack = (name: string, failedAt: number) => {
    const node = nodeOf(topology, name);
    return node?.health === 'up' && node.probeStartedAt !== undefined && node.probeStartedAt > failedAt;
  };
  const still = [...failed].filter(([name, at]) => !(mayReturn && isBack(name, at)));
  return new Set(still.map(([name]) => name));
}
