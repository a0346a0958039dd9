import type { ClusterSettings } from '../config/settings.js';
import type { Lsn } from '../lsn.js';
import { nodeOf, type Topology } from '../topology/topology.js';
import type { Refusal } from './refusal.js';

/** What a contender for the promotion goes by at one moment. */
export interface View {
  /** The primary in use. */
  readonly primary?: string;
  /** The newest timeline ever seen. */
  readonly timeline: number;
  /** How many nodes are configured, and how many replicas it takes. */
  readonly configured: number;
  readonly needed: number;
  /** Of every node. */
  readonly names: readonly string[];
  /** The replicas that answer, by name. */
  readonly standbys: readonly string[];
  /** Where the primary was seen last. */
  readonly lastLsn?: Lsn;
  readonly maxLossBytes: number;
  /** Why nothing may be begun as things are. */
  readonly obstacle?: Refusal;
  /** This process stops: what was begun is to be left as it was. */
  readonly isStopping: boolean;
}

type Settings = Pick<ClusterSettings, 'failover'>;

export function viewOf(topology: Topology, settings: Settings, isStopping = false): View {
  const { primary, nodes, newestTimeline: timeline } = topology;
  const { withoutQuorum, maxDataLossBytes: maxLossBytes } = settings.failover;
  const standbys = nodes.filter(({ health, facts }) => health === 'up' && facts?.inRecovery === true);
  const needed = withoutQuorum ? 1 : Math.floor(nodes.length / 2) + 1;
  const lastLsn = lastPosition(topology);
  const obstacle = obstacleIn(topology, settings) ?? tooFew(standbys.length, needed, nodes.length);
  return {
    timeline,
    configured: nodes.length,
    needed,
    names: nodes.map(({ name }) => name),
    standbys: standbys.map(({ name }) => name).sort(),
    maxLossBytes,
    isStopping,
    ...(primary !== undefined && { primary }),
    ...(lastLsn !== undefined && { lastLsn }),
    ...(obstacle && { obstacle }),
  };
}

function lastPosition({ samples, sampled, nodes }: Topology): Lsn | undefined {
  const probed = nodes.find(({ name }) => name === sampled)?.facts?.insertLsn;
  const sample = samples.at(-1)?.lsn;
  return probed === undefined || (sample !== undefined && sample > probed) ? sample : probed;
}

/** The former primary must be given up; one that ceased to be one of its own accord is somebody's doing. */
function obstacleIn(topology: Topology, { failover }: Settings): Refusal | undefined {
  if (topology.nodes.some(({ trouble }) => trouble?.kind === 'two-primaries'))
    return { kind: 'two-primaries' };
  const former = topology.sampled === undefined ? undefined : nodeOf(topology, topology.sampled);
  if (!former) return { kind: 'primary-unknown' };
  if (former.failures === 0) return { kind: 'primary-answers', node: former.name };
  const isGivenUp = former.health === 'down' && former.failures >= failover.maxRetryAttempts;
  return isGivenUp ? undefined : { kind: 'too-early' };
}

function tooFew(reachable: number, needed: number, configured: number): Refusal | undefined {
  return reachable < needed ? { kind: 'no-majority', reachable, needed, configured } : undefined;
}
