import type { RoutingSettings } from '../config/settings.js';
import { pick, type Candidate, type Chance } from '../balancing/pick.js';
import { warmth } from '../balancing/slow-start.js';
import type { Lsn, WalPosition } from '../lsn.js';
import { describeTrouble, nodeOf, type NodeState, type Topology } from '../topology/topology.js';
import { readReplicas, type Refusal } from './candidates.js';
import type { PrimaryReason } from './statement/statement-class.js';

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
  | 'scope-on-primary'
  /** No replica is known to have replayed what this session has written. */
  | 'behind-session'
  /** Nothing decorates the call, and its statement only reads. */
  | 'read'
  /** The call asks for `strong` consistency. */
  | 'strong'
  /** `routing.mode: 'shadow'` sends a read to the primary. */
  | 'shadow'
  /** Replicas have cancelled this text again and again; for a while it goes to the primary. */
  | 'recovery-conflicts'
  /** A replica's account may less, or the replica had not replayed a definition. */
  | 'replica-differs'
  /** Names without a schema mean something else to the replica's account. */
  | 'search-path'
  /** The library reads the catalog. */
  | 'catalog'
  | PrimaryReason;

/**
 * What a session's reads must have seen. `ahead`: a timeline that no node has shown yet. `unsampled`: what only
 * the primary is sure to have.
 */
export type Floor = WalPosition | 'unsampled' | 'ahead';

/** Where a call wants to go. */
export type Intent =
  | {
      readonly target: 'primary';
      readonly reason: RouteReason;
      /** Held to reading. */
      readonly mustNotWrite?: boolean;
    }
  | {
      readonly target: 'replica';
      readonly reason: 'use-replica' | 'read';
      /** Milliseconds; besides the cluster's own limit. */
      readonly maxLagMs?: number | undefined;
      readonly onUnavailable: 'primary' | 'wait' | 'fail';
      /** The node this scope read from last, and what that had replayed. */
      readonly stickTo?: string | undefined;
      readonly atLeast?: Lsn | undefined;
      /** It read from the primary last, and may leave it for a replica that has `atLeast`. */
      readonly mayLeavePrimary?: boolean | undefined;
      /** What its session has written. */
      readonly written?: Floor | undefined;
    };

export type Decision =
  | {
      readonly node: NodeState;
      readonly target: 'primary' | 'replica';
      readonly reason: RouteReason;
      /** Meant for a replica: on the primary it must be held to reading. */
      readonly mustNotWrite: boolean;
      /** Of the replicas, where the primary stands in for them. */
      readonly refusals?: readonly Refusal[];
    }
  /** Nobody can serve now. */
  | { readonly node?: undefined; readonly refusals: readonly Refusal[] };

export interface RouteInputs {
  readonly settings: Pick<RoutingSettings, 'balance' | 'slowStartMs' | 'zone'>;
  readonly chance: Chance;
  /** Nodes on which this very call has failed. */
  readonly failed: ReadonlySet<string>;
  readonly now: number;
  readonly loads: Loads;
  /** To this node a packet is about to be sent, which takes the call along. */
  readonly gathering?: string | undefined;
}

/** How busy nodes are. `since`: what a node took before counts no more, it was another life of it. */
export interface Loads {
  inFlight(node: string): number;
  /** What calls took there lately, where that is known. */
  latencyMs(node: string, since: number | undefined): number | undefined;
  /** What of it is still held against the node. */
  heldMs(node: string, now: number, since: number | undefined): number | undefined;
}

/** Decides which node serves a call. Pure but for the chance in choosing among equals. */
export function route(topology: Topology, intent: Intent, inputs: RouteInputs): Decision {
  if (intent.target === 'primary') return toPrimary(topology, intent.reason, intent.mustNotWrite === true);
  // Nobody seen so far has the timeline that this session was heard to have written on.
  if (intent.written === 'ahead') return { refusals: [] };
  if (intent.stickTo !== undefined && intent.stickTo === topology.primary) {
    return toPrimary(topology, 'scope-on-primary', true);
  }
  const { candidates, refusals } = readReplicas(topology, {
    failed: inputs.failed,
    maxLagMs: intent.maxLagMs,
    atLeast: intent.atLeast,
    written: intent.written,
  });
  const node = candidates.find(({ name }) => name === intent.stickTo) ?? choose(candidates, inputs);
  if (node) return { node, target: 'replica', reason: intent.reason, mustNotWrite: false };
  if (intent.mayLeavePrimary === true) return toPrimary(topology, 'scope-on-primary', true, refusals);
  const isBehind = refusals.some(({ reason }) => reason === 'behind-session');
  return intent.onUnavailable === 'primary'
    ? toPrimary(topology, isBehind ? 'behind-session' : 'no-replica', true, refusals)
    : { refusals };
}

function toPrimary(
  topology: Topology,
  reason: RouteReason,
  mustNotWrite: boolean,
  refusals: readonly Refusal[] = [],
): Decision {
  const node = topology.primary === undefined ? undefined : nodeOf(topology, topology.primary);
  return node ? { node, target: 'primary', reason, mustNotWrite, refusals } : { refusals };
}

function choose(candidates: readonly NodeState[], inputs: RouteInputs): NodeState | undefined {
  if (candidates.length <= 1) return candidates[0];
  const { settings, chance } = inputs;
  const choices = candidates.map((node) => new Choice(node, inputs));
  return pick(choices, settings.balance, chance)?.state;
}

/** A replica as one of several. How busy it is need be known only of those that are compared. */
class Choice implements Candidate {
  readonly node: string;
  readonly weight: number;
  readonly warmth: number;
  readonly isNear: boolean;
  readonly isGathering: boolean;
  readonly #inputs: RouteInputs;

  constructor(
    readonly state: NodeState,
    inputs: RouteInputs,
  ) {
    const { slowStartMs, zone } = inputs.settings;
    this.node = state.name;
    this.weight = state.settings.weight;
    this.warmth = warmth(state.returnedAt, inputs.now, slowStartMs);
    this.isNear = zone !== undefined && state.settings.zone === zone;
    this.isGathering = state.name === inputs.gathering;
    this.#inputs = inputs;
  }

  get inFlight(): number {
    return this.#inputs.loads.inFlight(this.node);
  }

  get latencyMs(): number | undefined {
    return this.#inputs.loads.latencyMs(this.node, this.state.returnedAt);
  }

  get heldMs(): number | undefined {
    return this.#inputs.loads.heldMs(this.node, this.#inputs.now, this.state.returnedAt);
  }
}

/** Every node and why it is not a usable primary, for the error of a call that found none. */
export function whyNoPrimary(topology: Topology): string {
  if (topology.isHeld) return 'a switchover is under way';
  const reasons = topology.nodes.map((node) => {
    const is = node.facts?.inRecovery ? 'is a replica' : 'has not answered yet';
    return `${node.name}: ${node.trouble ? describeTrouble(node.trouble) : is}`;
  });
  return reasons.join('; ');
}
