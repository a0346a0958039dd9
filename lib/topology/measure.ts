import type { RoutingSettings } from '../config/settings.js';
import { measureLag, remember, type Lag } from './lag.js';
import { isReceiving, type Observation } from './observation.js';
import { addSample } from './samples.js';
import { nodeOf, type NodeState, type Topology } from './topology.js';

export type LagLimits = Pick<RoutingSettings, 'maxLagMs' | 'maxLagBytes'>;

/** Takes the primary's position into the history and measures the replicas against it. */
export function measure(
  topology: Topology,
  sampled: string | undefined,
  observation: Observation,
  limits: LagLimits,
): Topology {
  const primary = topology.primary === undefined ? undefined : nodeOf(topology, topology.primary);
  const isSample = observation.kind === 'probed' && observation.node === primary?.name;
  // Kept while there is no primary: the same one may come back.
  const before = primary === undefined || primary.name === sampled ? topology.history : [];
  const insertLsn = primary?.facts?.insertLsn;
  const history =
    isSample && insertLsn !== undefined ? remember(before, insertLsn, observation.startedAt) : before;
  const samples = primary?.name === sampled || primary === undefined ? topology.samples : [];
  const timeline = primary?.facts?.timeline;
  const sample =
    isSample && insertLsn !== undefined && timeline !== undefined
      ? { at: observation.startedAt, timeline, lsn: insertLsn }
      : undefined;
  const primaryIsUp = primary?.health === 'up';
  const nodes = topology.nodes.map((node) => {
    const { lag: _, ...rest } = node;
    const lag = node.role === 'replica' ? lagOf(node, history, primaryIsUp) : undefined;
    const isLagging = lag !== undefined && isBeyond(lag, limits, node.isLagging);
    return { ...rest, isLagging, ...(lag && { lag }) };
  });
  const owner = primary?.name ?? sampled;
  return {
    ...topology,
    nodes,
    history,
    samples: sample ? addSample(samples, sample) : samples,
    ...(owner !== undefined && { sampled: owner }),
  };
}

function lagOf(node: NodeState, history: Topology['history'], primaryIsUp: boolean): Lag | undefined {
  const { facts, probeEndedAt, streamedAt } = node;
  if (facts?.replayedLsn === undefined || probeEndedAt === undefined) return undefined;
  // Without a primary nothing new can be missed: time stands still at what was last seen of it.
  const at = primaryIsUp ? probeEndedAt : Math.min(probeEndedAt, history.at(-1)?.until ?? probeEndedAt);
  const lag = measureLag(history, facts.replayedLsn, at);
  const isCutOff =
    primaryIsUp && facts.receiver !== undefined && !isReceiving(facts) && streamedAt !== undefined;
  if (!lag || !isCutOff) return lag;
  return { bytes: lag.bytes, ms: Math.max(lag.ms, probeEndedAt - streamedAt) };
}

/** Out beyond the limit, back in at half of it. */
function isBeyond(lag: Lag, limits: LagLimits, wasBeyond: boolean): boolean {
  const share = wasBeyond ? 0.5 : 1;
  return lag.ms > limits.maxLagMs * share || lag.bytes > limits.maxLagBytes * share;
}
