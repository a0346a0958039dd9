import type { RouteReason } from '../routing/route.js';
import type { Demand } from './demand.js';
import { nodeOf, type NodeState, type Topology } from '../topology/topology.js';

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
  const isBack = (name: string, at: number) => hasAnsweredSince(nodeOf(topology, name), at);
  const still = [...failed].filter(([name, at]) => !(mayReturn && isBack(name, at)));
  return new Set(still.map(([name]) => name));
}

/**
 * Whether a call may go to the primary, as far as the call itself knows: where it broke there, other connections that
 * look whole may be as dead, and it would be lost on the next one as well.
 */
export function mayReturnToPrimary(failed: Ordeal['failed'], primary: NodeState): boolean {
  const failedAt = failed?.get(primary.name);
  return failedAt === undefined || hasAnsweredSince(primary, failedAt);
}

/** A probe that began since then has found it well. */
function hasAnsweredSince(node: NodeState | undefined, at: number): boolean {
  return node?.health === 'up' && node.probeStartedAt !== undefined && node.probeStartedAt > at;
}
