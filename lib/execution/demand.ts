import type { Lsn } from '../lsn.js';
import type { ServerIdentity } from '../pool/driver.js';
import { hasReplayed } from '../routing/candidates.js';
import type { Intent } from '../routing/route.js';
import type { Session } from '../session/session.js';
import type { Stickiness } from '../session/stickiness.js';
import { firstSampleAfter } from '../topology/samples.js';
import { nodeOf, type NodeState, type Topology } from '../topology/topology.js';

type PrimaryIntent = Extract<Intent, { target: 'primary' }>;
type ReplicaIntent = Extract<Intent, { target: 'replica' }>;

export type PrimaryDemand = PrimaryIntent & {
  /** Whose reads must see what this writes. */
  readonly marks?: Session;
};

/** What a call owes to what its scope and session did before. */
type Memory = Pick<ReplicaIntent, 'written' | 'stickTo' | 'atLeast' | 'mayLeavePrimary'>;

export type ReplicaDemand = Omit<ReplicaIntent, keyof Memory> & {
  /** The memory of its scope. */
  readonly stickiness?: Stickiness | undefined;
  readonly session: Session;
  /** What it reads must have what its session has written. */
  readonly isBound: boolean;
  /** It is known to write nothing: where it falls back to the primary, nothing need hold it. */
  readonly isVouched: boolean;
};

/** What a call asks for, with the memory of its scope. */
export type Demand = PrimaryDemand | ReplicaDemand;

/** A read that nothing decorates: where a replica can't do it, the primary may do more than read. */
export function isAuto(demand: Demand): demand is ReplicaDemand {
  return demand.target === 'replica' && demand.reason === 'read';
}

/** The same call, on the primary instead. What a standby refused as a write is one. */
export function onPrimary(
  { session }: ReplicaDemand,
  reason: 'refused-on-standby' | 'replica-differs',
): PrimaryDemand {
  return { target: 'primary', reason, ...(reason === 'refused-on-standby' && { marks: session }) };
}

/** What is asked for now: by one whose scope has read before, the same replica, or one that has seen as much. */
export function intentOf(demand: Demand, topology: Topology): Intent {
  if (demand.target === 'primary') return demand;
  const written = demand.isBound && demand.session.isMarked ? floorOf(demand.session, topology) : undefined;
  if (demand.stickiness?.node === undefined)
    return written === undefined ? demand : remembering(demand, { written });
  const { node, atLeast, primaryReadAt } = demand.stickiness;
  if (node === topology.primary) {
    const sample = firstSampleAfter(topology.samples, primaryReadAt);
    if (!sample || primaryReadAt === undefined) return remembering(demand, { written, stickTo: node });
    return remembering(demand, { written, atLeast: sample.lsn, mayLeavePrimary: true });
  }
  const former = nodeOf(topology, node);
  const known = atLeast === undefined ? undefined : later(atLeast, former && positionOf(former));
  return remembering(demand, { written, stickTo: node, atLeast: known });
}

/** Property by property: to spread one object and add to it takes microseconds. */
function remembering(
  { target, reason, maxLagMs, onUnavailable }: ReplicaDemand,
  { written, stickTo, atLeast, mayLeavePrimary }: Memory,
): ReplicaIntent {
  const intent = { target, reason, maxLagMs, onUnavailable, written, stickTo, atLeast, mayLeavePrimary };
  return intent satisfies Record<keyof ReplicaIntent, unknown>;
}

export function floorOf(session: Session, { samples, newestTimeline }: Topology) {
  return session.floor({
    timeline: newestTimeline,
    firstAfter: (time) => {
      const sample = firstSampleAfter(samples, time);
      return sample?.timeline === newestTimeline ? sample : undefined;
    },
  });
}

/** Whether a replica is known to have what a session has written. */
export function floorIsReached(session: Session, topology: Topology, node: string): boolean {
  const floor = floorOf(session, topology);
  if (floor === undefined) return true;
  return floor !== 'ahead' && hasReplayed(nodeOf(topology, node)?.facts, floor);
}

/**
 * Why a connection to a replica is not the one that was meant: an address may lead to several servers, and an
 * account may look for names elsewhere.
 */
export function misfitOf(
  demand: ReplicaDemand,
  { facts }: NodeState,
  identity: ServerIdentity | undefined,
  searchPath: string | undefined,
): 'search-path' | 'behind-session' | undefined {
  if (isAuto(demand) && identity?.searchPath !== searchPath) return 'search-path';
  if (!demand.isBound || !demand.session.isMarked) return undefined;
  const isSame = identity !== undefined && identity.startedAt === facts?.serverStartedAt;
  return isSame ? undefined : 'behind-session';
}

/** The scope goes there from now on, with what it asks for while this call is under way too. */
export function stickTo(demand: Demand, { node, target }: { node: NodeState; target: string }): void {
  if (demand.target !== 'replica' || !demand.stickiness) return;
  // A request that reads what it has just written goes back to the replicas when they have it.
  if (target === 'replica' || !isAuto(demand)) demand.stickiness.node = node.name;
}

/** The scope reads there, and sees at least what the node was known to have. */
export function rememberRead(demand: Demand, { node, target }: { node: NodeState; target: string }): void {
  if (demand.target !== 'replica' || !demand.stickiness || (target === 'primary' && isAuto(demand))) return;
  demand.stickiness.atLeast = later(demand.stickiness.atLeast, positionOf(node));
}

function positionOf({ facts }: NodeState): Lsn | undefined {
  return facts?.replayedLsn ?? facts?.insertLsn;
}

function later(one: Lsn | undefined, other: Lsn | undefined): Lsn | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other > one ? other : one;
}
