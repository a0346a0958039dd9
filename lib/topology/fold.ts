import type { RoutingSettings } from '../config/settings.js';
import { measureLag, remember, type Lag } from './lag.js';
import type { NodeFacts, Observation } from './observation.js';
import { addSample } from './samples.js';
import { choosePrimary, isLedElsewhere, overrulingTimeline, type Leader } from './leader.js';
import { nodeOf, type Health, type NodeState, type Topology, type Trouble } from './topology.js';

const FAILURES_UNTIL_DOWN = 3;

export type LagLimits = Pick<RoutingSettings, 'maxLagMs' | 'maxLagBytes'>;

/** The topology after one more observation. Pure: times come with the observations. */
export function fold(topology: Topology, observation: Observation, limits: LagLimits): Topology {
  const nodes = topology.nodes.map((node) =>
    node.name === observation.node ? observe(node, observation) : node,
  );
  const systemId = topology.systemId ?? chooseSystem(nodes);
  const ofSystem = nodes.filter((node) => systemId === undefined || belongsTo(node.facts, systemId));
  const leader = observation.kind === 'leader-told' ? observation.leader : topology.leader;
  // Until the system is known, a stranger's timeline may be among those seen.
  const highestTimeline = Math.max(
    systemId === topology.systemId ? topology.newestTimeline : 0,
    ...ofSystem.map(({ facts }) => facts?.timeline ?? 0),
  );
  const newestTimeline = overrulingTimeline(ofSystem, leader) ?? highestTimeline;
  const writable = ofSystem.filter((node) => mayBePrimary(node, newestTimeline));
  const chosen = choosePrimary(writable, leader)?.name;
  const primary = topology.isHeld ? undefined : chosen;
  const verdict = { systemId, newestTimeline, primary: chosen, writable, leader };
  const at = observation.kind === 'probed' ? observation.endedAt : observation.at;
  const settled = nodes.map((node) => {
    const judged = judge(node, verdict);
    return isBack(node.health, judged.health, topology) ? { ...judged, returnedAt: at } : judged;
  });
  const next: Topology = {
    version: topology.version + 1,
    newestTimeline,
    nodes: settled,
    history: topology.history,
    samples: topology.samples,
    ...(topology.isHeld && { isHeld: true }),
    ...(systemId !== undefined && { systemId }),
    ...(primary !== undefined && { primary }),
    ...(leader && { leader }),
  };
  return measure(next, topology.sampled, observation, limits);
}

/** Takes the primary away from everybody until `release`. Calls wait as they do without one. */
export function hold(topology: Topology): Topology {
  const { primary: _, ...rest } = topology;
  return { ...rest, version: topology.version + 1, isHeld: true };
}

/** The next observation shows who is primary. */
export function release(topology: Topology): Topology {
  const { isHeld: _, ...rest } = topology;
  return { ...rest, version: topology.version + 1 };
}

function observe(node: NodeState, observation: Observation): NodeState {
  switch (observation.kind) {
    case 'probed': {
      const { facts, startedAt, endedAt } = observation;
      const streamedAt = isReceiving(facts) || !facts.inRecovery ? endedAt : (node.streamedAt ?? endedAt);
      const { trouble: _, ...rest } = node;
      return { ...rest, failures: 0, facts, probeStartedAt: startedAt, probeEndedAt: endedAt, streamedAt };
    }
    case 'probe-failed':
      return unreachable(node, node.failures + 1, observation.cause);
    case 'connection-failed':
      // A server that goes away breaks many connections at once: together they are one failure.
      return unreachable(node, Math.max(node.failures, 1), observation.cause);
    case 'role-reported':
      return node.facts ? { ...node, facts: reportedRole(node.facts, observation.inRecovery) } : node;
    case 'leader-told':
      return node;
  }
}

/** A receiver that waits or starts over gets nothing: its standby may have been left behind on an old timeline. */
function isReceiving(facts: NodeFacts): boolean {
  return facts.receiver === 'streaming' || facts.receiver === 'connected';
}

function unreachable(node: NodeState, failures: number, cause: string): NodeState {
  return { ...node, failures, trouble: { kind: 'unreachable', cause } };
}

/** A primary that says it is a standby is one. A standby that says it isn't must show its timeline first. */
function reportedRole(facts: NodeFacts, inRecovery: boolean): NodeFacts {
  return inRecovery && !facts.inRecovery ? { ...facts, inRecovery } : facts;
}

/** Taken once every node has answered or failed: the first configured primary that answers knows best. */
function chooseSystem(nodes: readonly NodeState[]): string | undefined {
  if (nodes.some((node) => node.facts === undefined && node.failures === 0)) return undefined;
  const answering = nodes.filter((node) => node.facts?.systemId !== undefined);
  const masters = answering.filter((node) => node.settings.configuredRole === 'primary');
  const chosen = masters.find((node) => !node.facts?.inRecovery) ?? masters[0] ?? answering[0];
  return chosen?.facts?.systemId;
}

function belongsTo(facts: NodeFacts | undefined, systemId: string): boolean {
  return facts !== undefined && (facts.systemId === undefined || facts.systemId === systemId);
}

/** A node whose timeline can't be read is taken at its word. */
function mayBePrimary(node: NodeState, newestTimeline: number): boolean {
  if (!node.facts || node.facts.inRecovery || node.failures >= FAILURES_UNTIL_DOWN) return false;
  return node.facts.timeline === undefined || node.facts.timeline === newestTimeline;
}

interface Verdict {
  readonly systemId: string | undefined;
  readonly newestTimeline: number;
  readonly primary: string | undefined;
  readonly writable: readonly NodeState[];
  readonly leader: Leader | undefined;
}

function judge(node: NodeState, verdict: Verdict): NodeState {
  const { facts, failures } = node;
  const role = facts === undefined ? 'unknown' : facts.inRecovery ? 'replica' : 'primary';
  if (failures > 0) {
    const health: Health = failures >= FAILURES_UNTIL_DOWN || facts === undefined ? 'down' : 'suspect';
    return { ...node, role, health };
  }
  const { trouble: _, ...rest } = node;
  if (facts === undefined) return { ...rest, role, health: 'unknown' };
  const trouble = verdict.systemId === undefined ? undefined : whyRefused(node, facts, verdict);
  return trouble ? { ...rest, role, health: 'refused', trouble } : { ...rest, role, health: 'up' };
}

/** At the start nobody is back: the nodes are found up one after the other until the system is known. */
function isBack(before: Health, now: Health, { systemId }: Topology): boolean {
  if (now !== 'up' || before === 'up') return false;
  return before !== 'unknown' || systemId !== undefined;
}

function whyRefused(node: NodeState, facts: NodeFacts, verdict: Verdict): Trouble | undefined {
  if (!belongsTo(facts, verdict.systemId ?? ''))
    return { kind: 'other-system', systemId: facts.systemId ?? '' };
  if (facts.inRecovery || node.name === verdict.primary) return undefined;
  const timeline = facts.timeline ?? 0;
  if (timeline < verdict.newestTimeline && facts.timeline !== undefined) {
    return { kind: 'stale-primary', timeline, newest: verdict.newestTimeline };
  }
  if (isLedElsewhere(node, verdict.leader) || verdict.primary !== undefined)
    return { kind: 'not-the-leader', leader: verdict.primary ?? verdict.leader?.node ?? '' };
  const others = verdict.writable.filter((other) => other.name !== node.name).map((other) => other.name);
  return others.length > 0 ? { kind: 'two-primaries', others } : undefined;
}

/** Takes the primary's position into the history and measures the replicas against it. */
function measure(
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
