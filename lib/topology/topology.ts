import type { NodeSettings, Role } from '../config/settings.js';
import type { Lag, PrimaryHistory } from './lag.js';
import type { Leader } from './leader.js';
import type { NodeFacts } from './observation.js';
import type { PrimarySamples } from './samples.js';

/**
 * `unknown` not seen yet; `up`; `suspect` failed, takes no reads; `down` failed `failover.max_retry_attempts` times;
 * `refused` answers, but must not be used.
 */
export type Health = 'unknown' | 'up' | 'suspect' | 'down' | 'refused';

/** Why a node is not `up`. */
export type Trouble =
  | { readonly kind: 'unreachable'; readonly cause: string }
  /** Its system identifier is not the cluster's. */
  | { readonly kind: 'other-system'; readonly systemId: string }
  /** Writable, but on an older timeline than the cluster has reached. */
  | { readonly kind: 'stale-primary'; readonly timeline: number; readonly newest: number }
  /** Writable on a newer timeline, which a majority of the standbys has not followed. */
  | { readonly kind: 'overruled'; readonly timeline: number; readonly accepted: number }
  /** Writable on the newest timeline, and another node is so too. */
  | { readonly kind: 'two-primaries'; readonly others: readonly string[] }
  /** A primary on the newest timeline that is read-only, beside one that is not. */
  | { readonly kind: 'fenced'; readonly primary: string }
  /** Writable, but another node leads. */
  | { readonly kind: 'not-the-leader'; readonly leader: string };

export interface NodeState {
  readonly name: string;
  readonly settings: NodeSettings;
  /** What it is used as. A writable node that is not the cluster's primary keeps the role and is refused. */
  readonly role: Role | 'unknown';
  readonly health: Health;
  readonly trouble?: Trouble;
  /** Failures in a row. */
  readonly failures: number;
  /** When what failed last had begun. */
  readonly failedAt?: number;
  readonly facts?: NodeFacts;
  /** The timeline it was on when the cluster went back to a lower one: that says nothing of the newest any more. */
  readonly overruled?: number;
  /** When the probe that brought the facts began and ended. */
  readonly probeStartedAt?: number;
  readonly probeEndedAt?: number;
  /** When it was last seen with a WAL receiver, or first seen at all. */
  readonly streamedAt?: number;
  /** When it came up while others served already: its slow start counts from here. Up since the start: never. */
  readonly returnedAt?: number;
  /** Replicas only, where positions can be read. */
  readonly lag?: Lag;
  /** Beyond the lag allowed, and not yet back within half of it. */
  readonly isLagging: boolean;
}

/** What is known of the cluster at one moment. Never changed, only replaced. */
export interface Topology {
  readonly version: number;
  readonly systemId?: string;
  /** The highest timeline ever seen in this system, or a lower one that its standbys follow; 0 before any. */
  readonly newestTimeline: number;
  /** When it was first seen. */
  readonly newestSince: number;
  /** The node that takes writes. */
  readonly primary?: string;
  /** A switchover is under way: nobody gets the primary. */
  readonly isHeld?: boolean;
  /** Who leads, as Patroni was last heard to say. */
  readonly leader?: Leader;
  readonly nodes: readonly NodeState[];
  readonly history: PrimaryHistory;
  /** Where the primary was of late: what was written before a sample began lies before its position. */
  readonly samples: PrimarySamples;
  /** The node whose positions the history holds: the primary, or the last one. */
  readonly sampled?: string;
}

export function unseen(nodes: readonly NodeSettings[]): Topology {
  return {
    version: 0,
    newestTimeline: 0,
    newestSince: -Infinity,
    history: [],
    samples: [],
    nodes: nodes.map((settings) => ({
      name: settings.name,
      settings,
      role: 'unknown',
      health: 'unknown',
      failures: 0,
      isLagging: false,
    })),
  };
}

export function nodeOf(topology: Topology, name: string): NodeState | undefined {
  return topology.nodes.find((node) => node.name === name);
}

/** Nodes that are writable on one timeline, all of them answering: nobody can tell which one to write to. */
export function rivalsIn({ nodes }: Topology): readonly NodeState[] {
  const rivals = nodes.filter(({ trouble }) => trouble?.kind === 'two-primaries');
  return rivals.length > 1 ? rivals : [];
}

/** The trouble in words, for errors, logs and the health page alike. */
export function describeTrouble(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'unreachable':
      return trouble.cause;
    case 'other-system':
      return `belongs to another system (${trouble.systemId})`;
    case 'stale-primary':
      return `is writable on timeline ${trouble.timeline}, but the cluster has reached ${trouble.newest}`;
    case 'overruled':
      return `is writable on timeline ${trouble.timeline}, but most standbys follow timeline ${trouble.accepted}`;
    case 'fenced':
      return `is read-only, and ${trouble.primary} is the primary`;
    case 'two-primaries':
      return `is writable on the same timeline as ${trouble.others.join(', ')}`;
    case 'not-the-leader':
      return `is writable, but the leader is ${trouble.leader}`;
  }
}
