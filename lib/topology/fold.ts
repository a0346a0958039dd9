import type { FailoverSettings } from '../config/settings.js';
import { isLedElsewhere, type Leader } from './leader.js';
import { isSameServer, leadership, type Leadership } from './leadership.js';
import { measure, type LagLimits } from './measure.js';
import { isReceiving, type NodeFacts, type Observation } from './observation.js';
import { type Health, type NodeState, type Topology, type Trouble } from './topology.js';

export type FoldLimits = LagLimits & Pick<FailoverSettings, 'maxRetryAttempts'>;

/** The topology after one more observation. Pure: times come with the observations. */
export function fold(topology: Topology, observation: Observation, limits: FoldLimits): Topology {
  const nodes = topology.nodes.map((node) =>
    node.name === observation.node ? observe(node, observation) : node,
  );
  const systemId = topology.systemId ?? chooseSystem(nodes);
  const ofSystem = nodes.filter((node) => systemId === undefined || belongsTo(node.facts, systemId));
  const leader = observation.kind === 'leader-told' ? observation.leader : topology.leader;
  // Until the system is known, a stranger's timeline may be among those seen.
  const before = systemId === topology.systemId ? topology : { newestTimeline: 0, newestSince: -Infinity };
  const at = observation.kind === 'probed' ? observation.endedAt : observation.at;
  const led = leadership(ofSystem, before, {
    at,
    maxRetryAttempts: limits.maxRetryAttempts,
    configured: nodes.length,
    leader,
  });
  const verdict = { ...led, systemId, limits, leader };
  const settled = nodes.map((node) => {
    const judged = judge(node, verdict);
    return isBack(node.health, judged.health, topology) ? { ...judged, returnedAt: at } : judged;
  });
  const next: Topology = {
    version: topology.version + 1,
    newestTimeline: led.newestTimeline,
    newestSince: led.newestSince,
    nodes: settled,
    history: topology.history,
    samples: topology.samples,
    ...(topology.isHeld && { isHeld: true }),
    ...(systemId !== undefined && { systemId }),
    ...(led.primary !== undefined && !topology.isHeld && { primary: led.primary }),
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
    case 'probed':
      return answered(node, observation);
    case 'probe-failed':
      // Probes overlap: one that was asked later has been answered.
      if (observation.startedAt < (node.probeStartedAt ?? -Infinity)) return node;
      return unreachable(node, node.failures + 1, observation.cause, observation.startedAt);
    case 'connection-failed':
      // A server that goes away breaks many connections at once: together they are one failure.
      return unreachable(node, Math.max(node.failures, 1), observation.cause, observation.at);
    case 'role-reported':
      return node.facts ? { ...node, facts: reportedRole(node.facts, observation.inRecovery) } : node;
    case 'leader-told':
      return node;
  }
}

/** Probes overlap: an answer counts for what was not asked later, and ends only failures that began before it. */
function answered(
  node: NodeState,
  { facts, startedAt, endedAt }: Extract<Observation, { kind: 'probed' }>,
): NodeState {
  if (startedAt < (node.probeStartedAt ?? -Infinity)) return node;
  const streamedAt = isReceiving(facts) || !facts.inRecovery ? endedAt : (node.streamedAt ?? endedAt);
  const seen = { ...node, facts, probeStartedAt: startedAt, probeEndedAt: endedAt, streamedAt };
  if (node.failures > 0 && startedAt < (node.failedAt ?? -Infinity)) return seen;
  const { trouble: _, failedAt: __, ...well } = seen;
  return { ...well, failures: 0 };
}

function unreachable(node: NodeState, failures: number, cause: string, at: number): NodeState {
  const failedAt = Math.max(at, node.failedAt ?? at);
  return { ...node, failures, failedAt, trouble: { kind: 'unreachable', cause } };
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

interface Verdict extends Leadership {
  readonly systemId: string | undefined;
  readonly limits: FoldLimits;
  readonly leader: Leader | undefined;
}

function judge(before: NodeState, verdict: Verdict): NodeState {
  const node = mark(before, verdict);
  const { facts, failures } = node;
  const role = facts === undefined ? 'unknown' : facts.inRecovery ? 'replica' : 'primary';
  if (failures > 0) {
    const health: Health =
      failures >= verdict.limits.maxRetryAttempts || facts === undefined ? 'down' : 'suspect';
    return { ...node, role, health };
  }
  const { trouble: _, ...rest } = node;
  if (facts === undefined) return { ...rest, role, health: 'unknown' };
  const trouble = verdict.systemId === undefined ? undefined : whyRefused(node, facts, verdict);
  return trouble ? { ...rest, role, health: 'refused', trouble } : { ...rest, role, health: 'up' };
}

/** Notes on which timeline a node was when the cluster went back to a lower one. */
function mark(node: NodeState, { overruled }: Verdict): NodeState {
  const timeline = overruled.get(node.name);
  if (timeline === node.overruled) return node;
  const { overruled: _, ...rest } = node;
  return timeline === undefined ? rest : { ...rest, overruled: timeline };
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
  const { newestTimeline: newest, primary, writable, leader } = verdict;
  const { timeline } = facts;
  if (timeline !== undefined && timeline < newest) return { kind: 'stale-primary', timeline, newest };
  if (isLedElsewhere(node, leader)) return { kind: 'not-the-leader', leader: leader.node };
  if (timeline !== undefined && timeline > newest) return { kind: 'overruled', timeline, accepted: newest };
  const others = writable.filter((other) => !isSameServer(other, node)).map((other) => other.name);
  if (others.length === 0) return undefined;
  if (primary === undefined) return { kind: 'two-primaries', others };
  return primary === verdict.leader?.node
    ? { kind: 'not-the-leader', leader: primary }
    : { kind: 'fenced', primary };
}
