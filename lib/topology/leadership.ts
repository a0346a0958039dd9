import { isLedElsewhere, overrulingTimeline, type Leader } from './leader.js';
import type { NodeState } from './topology.js';

export interface Leadership {
  readonly newestTimeline: number;
  readonly newestSince: number;
  /** The node that takes writes. */
  readonly primary: string | undefined;
  /** Those that could, on the newest timeline. */
  readonly writable: readonly NodeState[];
  /** The timelines of nodes that count for nothing, since the cluster has gone back to a lower one. */
  readonly overruled: ReadonlyMap<string, number>;
}

interface Limits {
  /** When the last observation was made. */
  readonly at: number;
  readonly maxRetryAttempts: number;
  /** How many nodes there should be, seen or not. */
  readonly configured: number;
  /** By the store of a consensus, where there is one: then nobody else is asked. */
  readonly leader: Leader | undefined;
}

/**
 * Who leads: the one writable node on the highest timeline ever seen. A lower timeline is gone back to only where a
 * majority of the standbys confirms it, as when a tool has taken a promotion back; or the leader of a consensus. Pure.
 *
 * @param nodes Those of the cluster's system.
 */
export function leadership(
  nodes: readonly NodeState[],
  before: { readonly newestTimeline: number; readonly newestSince: number },
  limits: Limits,
): Leadership {
  const { leader } = limits;
  const counted = nodes.map((node) => (isOverruled(node, leader) ? 0 : (node.facts?.timeline ?? 0)));
  const newest = Math.max(before.newestTimeline, ...counted);
  const newestSince = newest === before.newestTimeline ? before.newestSince : limits.at;
  const confirmed =
    leader === undefined
      ? nodes.find((node) => isConfirmed(node, nodes, { newest, newestSince }, limits))
      : undefined;
  const accepted = overrulingTimeline(nodes, leader) ?? confirmed?.facts?.timeline;
  const timeline = accepted ?? newest;
  const overruled = new Map<string, number>();
  for (const { name, facts, overruled: already } of nodes) {
    // What waits for a primary on its timeline doesn't say which that is.
    const its = facts?.timeline ?? already;
    if (its === undefined || its <= timeline || name === leader?.node) continue;
    if (accepted !== undefined || its === already) overruled.set(name, its);
  }
  const writable = nodes.filter((node) => mayBePrimary(node, timeline, limits));
  const primary = primaryOf(writable, leader);
  return {
    newestTimeline: timeline,
    newestSince: accepted === undefined ? newestSince : limits.at,
    primary: primary?.name,
    writable,
    overruled,
  };
}

/** Of a leader it counts no more: it was promoted again. */
function isOverruled({ name, facts, overruled }: NodeState, leader: Leader | undefined): boolean {
  return overruled !== undefined && overruled === facts?.timeline && name !== leader?.node;
}

/** A node whose timeline can't be read is taken at its word. */
function mayBePrimary({ facts, failures }: NodeState, timeline: number, limits: Limits): boolean {
  if (!facts || facts.inRecovery || failures >= limits.maxRetryAttempts) return false;
  return facts.timeline === undefined || facts.timeline === timeline;
}

/** The leader; without one the only one there is, or the only one that is not read-only. */
function primaryOf(writable: readonly NodeState[], leader: Leader | undefined): NodeState | undefined {
  const led = writable.find(({ name }) => name === leader?.node);
  if (led) return led;
  const only = oneServer(writable) ?? oneServer(writable.filter(({ facts }) => facts?.isReadOnly !== true));
  return only && !isLedElsewhere(only, leader) ? only : undefined;
}

/** Two names may lead to one server, as those of a service for its writer and for each machine do. */
export function isSameServer(one: NodeState, other: NodeState): boolean {
  if (one.name === other.name) return true;
  const startedAt = one.facts?.serverStartedAt;
  return startedAt !== undefined && startedAt === other.facts?.serverStartedAt;
}

/** The node, where they all are one server; by the name that is meant for it. */
function oneServer(nodes: readonly NodeState[]): NodeState | undefined {
  const meant = nodes.find(({ settings }) => settings.configuredRole === 'primary') ?? nodes[0];
  return meant && nodes.every((node) => isSameServer(node, meant)) ? meant : undefined;
}

/**
 * A writable node on a lower timeline that most standbys stream from, by what was asked since the newer timeline was
 * seen. One that is read-only is about to be replaced.
 */
function isConfirmed(
  node: NodeState,
  nodes: readonly NodeState[],
  { newest, newestSince }: { readonly newest: number; readonly newestSince: number },
  limits: Limits,
): boolean {
  const { facts } = node;
  const isLower = facts?.timeline !== undefined && facts.timeline < newest && facts.isReadOnly !== true;
  if (!isLower || !mayBePrimary(node, facts.timeline, limits) || !isFresh(node, newestSince)) return false;
  const confirming = nodes.filter((other) => isFresh(other, newestSince) && streamsFrom(other, node, nodes));
  return confirming.length > (limits.configured - 1) / 2;
}

function isFresh({ failures, probeStartedAt }: NodeState, since: number): boolean {
  return failures === 0 && probeStartedAt !== undefined && probeStartedAt > since;
}

/**
 * The timeline tells, and that it does stream: one that was left behind waits, and goes on naming the last timeline it
 * received. Addresses need not be those we were given; but one of another node that is writable is not this one.
 */
function streamsFrom({ facts }: NodeState, primary: NodeState, nodes: readonly NodeState[]): boolean {
  if (facts?.inRecovery !== true || facts.receiver !== 'streaming') return false;
  if (facts.timeline !== primary.facts?.timeline) return false;
  const { sender } = facts;
  return !nodes.some(
    (other) =>
      other !== primary &&
      other.facts?.inRecovery === false &&
      other.settings.host === sender?.host &&
      other.settings.port === sender.port,
  );
}
