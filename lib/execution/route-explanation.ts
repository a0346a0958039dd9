import type { ClusterSettings } from '../config/settings.js';
import { readReplicas } from '../routing/candidates.js';
import type { StatementClass } from '../routing/statement/statement-class.js';
import type { Session } from '../session/session.js';
import type { Monitor } from '../topology/monitor.js';
import type { Topology } from '../topology/topology.js';
import { floorOf } from './demand.js';
import type { StatementClasses } from './statement-classes.js';

/** Where a statement would go by itself, and why. */
export interface RouteExplanation {
  readonly target: 'primary' | 'replica';
  /** As `db_routing_decisions_total` counts it: `read`, `write`, `volatile-function`, `no-replica`, … */
  readonly reason: string;
  /** What in the statement it is, or what to use instead. */
  readonly detail?: string;
  /** The node that would serve now, where there is but one. */
  readonly node?: string;
}

export interface ExplainParts extends Pick<ClusterSettings, 'routing' | 'consistency'> {
  readonly classes: StatementClasses;
  readonly monitor: Monitor;
  readonly session: Session;
}

/** @throws what reading the catalog on the primary throws. */
export async function explainRoute(text: string, parts: ExplainParts): Promise<RouteExplanation> {
  const { classes, monitor, session } = parts;
  await classes.refresh();
  const { topology } = monitor;
  const isBound = parts.consistency === 'session' && session.isMarked;
  const floor = isBound ? floorOf(session, topology) : undefined;
  return explanation(classes.classify(text), parts, topology, floor);
}

/** Pure. */
export function explanation(
  found: StatementClass,
  { routing, consistency }: Pick<ClusterSettings, 'routing' | 'consistency'>,
  topology: Topology,
  floor?: ReturnType<typeof floorOf>,
): RouteExplanation {
  const { primary } = topology;
  const onPrimary = { target: 'primary', ...(primary !== undefined && { node: primary }) } as const;
  if (found.kind === 'primary') return { ...onPrimary, reason: found.reason, detail: found.detail };
  if (found.kind === 'session') return { ...onPrimary, reason: found.reason, detail: found.remedy };
  if (routing.default === 'primary') return { ...onPrimary, reason: 'undecorated' };
  if (routing.mode === 'shadow')
    return { ...onPrimary, reason: 'shadow', detail: 'a replica could serve it' };
  if (consistency === 'strong') return { ...onPrimary, reason: 'strong' };
  const written = floor === 'ahead' ? 'unsampled' : floor;
  const { candidates, refusals } = readReplicas(topology, written === undefined ? {} : { written });
  const [replica, ...others] = candidates;
  if (replica)
    return { target: 'replica', reason: 'read', ...(others.length === 0 && { node: replica.name }) };
  const isBehind = refusals.some(({ reason }) => reason === 'behind-session');
  return { ...onPrimary, reason: isBehind ? 'behind-session' : 'no-replica' };
}
