import { formatDuration } from '../duration.js';
import type { Lsn, WalPosition } from '../lsn.js';
import { describeTrouble, type NodeState, type Topology } from '../topology/topology.js';

/** Why a replica takes no reads, as a word for metrics and as a sentence for people. */
export interface Refusal {
  readonly node: string;
  readonly reason:
    | 'unseen'
    | 'suspect'
    | 'down'
    | 'refused'
    | 'old-timeline'
    | 'lagging'
    | 'max-lag'
    | 'behind-scope'
    | 'behind-session'
    | 'just-failed';
  readonly detail: string;
}

/** What a read asks of a replica. */
export interface ReplicaDemand {
  /** Milliseconds; besides the cluster's own limit. */
  readonly maxLagMs?: number | undefined;
  /** It must have replayed this position. */
  readonly atLeast?: Lsn | undefined;
  /** What the session has written; `unsampled` where no position is known yet that lies behind it. */
  readonly written?: WalPosition | 'unsampled' | undefined;
  /** Nodes on which this very call has failed. */
  readonly failed?: ReadonlySet<string>;
}

export interface ReadReplicas {
  readonly candidates: readonly NodeState[];
  readonly refusals: readonly Refusal[];
}

/** By topology, for the many reads that ask for nothing in particular. */
const forAnyRead = new WeakMap<Topology, ReadReplicas>();

/** The replicas that may serve a read, and why the others may not. */
export function readReplicas(topology: Topology, demand: ReplicaDemand = {}): ReadReplicas {
  if (asksForMore(demand)) return judge(topology, demand);
  let judged = forAnyRead.get(topology);
  if (!judged) {
    judged = judge(topology, demand);
    forAnyRead.set(topology, judged);
  }
  return judged;
}

function asksForMore({ maxLagMs, atLeast, written, failed }: ReplicaDemand): boolean {
  const hasFailed = failed !== undefined && failed.size > 0;
  return hasFailed || maxLagMs !== undefined || atLeast !== undefined || written !== undefined;
}

function judge(topology: Topology, demand: ReplicaDemand): ReadReplicas {
  const candidates: NodeState[] = [];
  const refusals: Refusal[] = [];
  for (const node of topology.nodes) {
    if (!isReplica(node)) continue;
    const refusal = refuse(node, topology, demand);
    if (refusal) refusals.push({ node: node.name, ...refusal });
    else candidates.push(node);
  }
  return { candidates, refusals };
}

/** One that was never reached counts as what it is configured to be. */
function isReplica({ role, settings }: NodeState): boolean {
  return (role === 'unknown' ? settings.configuredRole : role) === 'replica';
}

function refuse(
  node: NodeState,
  { primary, newestTimeline }: Topology,
  demand: ReplicaDemand,
): Omit<Refusal, 'node'> | undefined {
  const { health, trouble, lag, isLagging, facts } = node;
  if (demand.failed?.has(node.name)) return { reason: 'just-failed', detail: 'this call has failed there' };
  if (health !== 'up') {
    const reason = health === 'unknown' ? 'unseen' : health;
    return { reason, detail: trouble ? describeTrouble(trouble) : 'not seen yet' };
  }
  const timeline = facts?.timeline;
  if (primary !== undefined && timeline !== undefined && timeline !== newestTimeline) {
    // It follows a former primary, or one that was overruled, and may have replayed what the cluster never did.
    return {
      reason: 'old-timeline',
      detail: `follows timeline ${timeline}, but the cluster is on ${newestTimeline}`,
    };
  }
  if (isLagging) return { reason: 'lagging', detail: behind(lag) ?? '' };
  if (demand.maxLagMs !== undefined && !(lag && lag.ms <= demand.maxLagMs)) {
    return { reason: 'max-lag', detail: behind(lag) ?? 'its lag is unknown' };
  }
  if (
    demand.atLeast !== undefined &&
    !(facts?.replayedLsn !== undefined && facts.replayedLsn >= demand.atLeast)
  ) {
    return { reason: 'behind-scope', detail: 'has not replayed what this scope has seen' };
  }
  if (demand.written !== undefined && !hasReplayed(facts, demand.written)) {
    return {
      reason: 'behind-session',
      detail: 'is not known to have replayed what this session has written',
    };
  }
  return undefined;
}

function behind(lag: NodeState['lag']): string | undefined {
  return lag && `${formatDuration(lag.ms)} and ${lag.bytes} bytes behind`;
}

/** A position counts on its own timeline only: a standby that was left behind has other records there. */
export function hasReplayed(facts: NodeState['facts'], written: WalPosition | 'unsampled'): boolean {
  if (written === 'unsampled' || facts?.replayedLsn === undefined) return false;
  return facts.replayTimeline === written.timeline && facts.replayedLsn >= written.lsn;
}
