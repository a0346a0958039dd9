import type { Role } from '../config/settings.js';
import type { PoolCounts } from '../errors.js';
import type { FailoverUnderWay } from '../failover/journal.js';
import { formatLsn } from '../lsn.js';
import type { NodePool } from '../pool/node-pool.js';
import { readReplicas } from '../routing/candidates.js';
import type { ReceiverState } from '../topology/observation.js';
import { describeTrouble, type Health, type NodeState, type Topology } from '../topology/topology.js';

export type ClusterState = 'new' | 'connecting' | 'ready' | 'draining' | 'closed';

/** One node as it was last seen. Fit for JSON. */
export interface NodeStatus {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly role: Role | 'unknown';
  readonly configuredRole: Role;
  readonly health: Health;
  /** Why it is not up, or takes no reads. */
  readonly reason?: string;
  /** Whether undirected reads may go there now. */
  readonly takesReads: boolean;
  readonly timeline?: number;
  /** Primary: where the next record goes. Replica: what it has replayed. */
  readonly lsn?: string;
  readonly lagBytes?: number;
  readonly lagSeconds?: number;
  readonly isReplayPaused?: boolean;
  readonly receiver?: ReceiverState;
  readonly weight: number;
  readonly zone?: string;
  readonly pool: PoolCounts;
}

/** The whole cluster as it was last seen. Fit for JSON. */
export interface ClusterStatus {
  readonly name: string;
  readonly state: ClusterState;
  /** The node that takes writes. */
  readonly primary?: string;
  readonly systemId?: string;
  readonly timeline: number;
  /** While one is under way. */
  readonly failover?: FailoverUnderWay;
  /** Over all nodes. */
  readonly maxConnections: number;
  readonly activeConnections: number;
  readonly idleConnections: number;
  readonly pendingAcquires: number;
  readonly nodes: readonly NodeStatus[];
}

export function statusOf(
  name: string,
  state: ClusterState,
  topology: Topology,
  pools: ReadonlyMap<string, NodePool>,
): ClusterStatus {
  const { candidates, refusals } = readReplicas(topology);
  const nodes = topology.nodes.map((node): NodeStatus => {
    const refusal = refusals.find((each) => each.node === node.name);
    const reason = node.health !== 'up' && node.trouble ? describeTrouble(node.trouble) : refusal?.detail;
    const lsn = node.role === 'primary' ? node.facts?.insertLsn : node.facts?.replayedLsn;
    return {
      ...identity(node),
      ...(reason !== undefined && { reason }),
      takesReads: candidates.includes(node),
      ...(node.facts?.timeline !== undefined && { timeline: node.facts.timeline }),
      ...(lsn !== undefined && { lsn: formatLsn(lsn) }),
      ...(node.lag && { lagBytes: node.lag.bytes, lagSeconds: node.lag.ms / 1_000 }),
      ...(node.facts?.isReplayPaused !== undefined && { isReplayPaused: node.facts.isReplayPaused }),
      ...(node.facts?.receiver !== undefined && { receiver: node.facts.receiver }),
      pool: pools.get(node.name)?.counts ?? { total: 0, active: 0, idle: 0, pending: 0, max: 0 },
    };
  });
  const sum = (of: (counts: PoolCounts) => number) => nodes.reduce((total, node) => total + of(node.pool), 0);
  return {
    name,
    state,
    ...(topology.primary !== undefined && { primary: topology.primary }),
    ...(topology.systemId !== undefined && { systemId: topology.systemId }),
    timeline: topology.newestTimeline,
    maxConnections: sum((pool) => pool.max),
    activeConnections: sum((pool) => pool.active),
    idleConnections: sum((pool) => pool.idle),
    pendingAcquires: sum((pool) => pool.pending),
    nodes,
  };
}

function identity({ name, settings, role, health }: NodeState) {
  const { host, port, configuredRole, weight, zone } = settings;
  return { name, host, port, role, configuredRole, health, weight, ...(zone !== undefined && { zone }) };
}
