import type { RoutingSettings } from '../config/settings.js';
import { pick, type Chance } from '../balancing/pick.js';
import { warmth } from '../balancing/slow-start.js';
import type { Lsn } from '../lsn.js';
import { describeTrouble, nodeOf, type NodeState, type Topology } from '../topology/topology.js';
import { readReplicas, type Refusal } from './candidates.js';

/** Why a call goes where it goes: the label of `db_routing_decisions_total`. */
export type RouteReason =
  /** `@UseMaster()`, `useMaster()`, a transaction, a master lease. */
  | 'use-master'
  /** `@UseReplica()`, `useReplica()`, a replica lease. */
  | 'use-replica'
  /** Nothing decorates the call. */
  | 'undecorated'
  /** A replica was asked for and none can serve. */
  | 'no-replica'
  /** This scope has read from the primary before: a replica could show it older data. */
  | 'scope-on-primary';

/** Where a call wants to go. */
export type Intent =
  | { readonly target: 'primary'; readonly reason: RouteReason }
  | {
      readonly target: 'replica';
      /** Milliseconds; besides the cluster's own limit. */
      readonly maxLagMs?: number;
      readonly onUnavailable: 'primary' | 'wait' | 'fail';
      /** The node this scope read from last, and what that had replayed. */
      readonly stickTo?: string;
      readonly atLeast?: Lsn;
    };

export type Decision =
  | {
      readonly node: NodeState;
      readonly target: 'primary' | 'replica';
      readonly reason: RouteReason;
      /** Meant for a replica: on the primary it must be held to reading. */
      readonly mustNotWrite: boolean;
    }
  /** Nobody can serve now. */
  | { readonly node?: undefined; readonly refusals: readonly Refusal[] };

export interface RouteInputs {
  readonly settings: Pick<RoutingSettings, 'balance' | 'slowStartMs' | 'zone'>;
  readonly chance: Chance;
  /** Nodes on which this very call has failed. */
  readonly failed: ReadonlySet<string>;
  readonly now: number;
  readonly inFlight: (node: string) => number;
  /** What calls took there lately, where that is known, and what of it is still held against the node. */
  readonly latencyMs: (node: string) => number | undefined;
  readonly heldMs: (node: string) => number | undefined;
}

/** Decides which node serves a call. Pure but for the chance in choosing among equals. */
export function route(topology: Topology, intent: Intent, inputs: RouteInputs): Decision {
  if (intent.target === 'primary') return toPrimary(topology, intent.reason, false);
  if (intent.stickTo !== undefined && intent.stickTo === topology.primary) {
    return toPrimary(topology, 'scope-on-primary', true);
  }
  const { candidates, refusals } = readReplicas(topology, {
    failed: inputs.failed,
    ...(intent.maxLagMs !== undefined && { maxLagMs: intent.maxLagMs }),
    ...(intent.atLeast !== undefined && { atLeast: intent.atLeast }),
  });
  const node = candidates.find(({ name }) => name === intent.stickTo) ?? choose(candidates, inputs);
  if (node) return { node, target: 'replica', reason: 'use-replica', mustNotWrite: false };
  return intent.onUnavailable === 'primary'
    ? toPrimary(topology, 'no-replica', true, refusals)
    : { refusals };
}

function toPrimary(
  topology: Topology,
  reason: RouteReason,
  mustNotWrite: boolean,
  refusals: readonly Refusal[] = [],
): Decision {
  const node = topology.primary === undefined ? undefined : nodeOf(topology, topology.primary);
  return node ? { node, target: 'primary', reason, mustNotWrite } : { refusals };
}

function choose(
  candidates: readonly NodeState[],
  { settings: { balance, slowStartMs, zone }, chance, now, inFlight, latencyMs, heldMs }: RouteInputs,
): NodeState | undefined {
  if (candidates.length <= 1) return candidates[0];
  const choices = candidates.map(({ name, settings, returnedAt }) => ({
    node: name,
    weight: settings.weight,
    inFlight: inFlight(name),
    latencyMs: latencyMs(name),
    heldMs: heldMs(name),
    warmth: warmth(returnedAt, now, slowStartMs),
    isNear: zone !== undefined && settings.zone === zone,
  }));
  const chosen = pick(choices, balance, chance);
  return candidates.find(({ name }) => name === chosen?.node);
}

/** Every node and why it is not a usable primary, for the error of a call that found none. */
export function whyNoPrimary(topology: Topology): string {
  const reasons = topology.nodes.map((node) => {
    const is = node.facts?.inRecovery ? 'is a replica' : 'has not answered yet';
    return `${node.name}: ${node.trouble ? describeTrouble(node.trouble) : is}`;
  });
  return reasons.join('; ');
}
