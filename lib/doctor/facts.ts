import type { ClusterSettings, NodeSettings, Role } from '../config/settings.js';
import type { Rights } from '../failover/rights.js';

/** All that the checks go by. */
export interface Facts {
  readonly settings: ClusterSettings;
  readonly nodes: readonly NodeFacts[];
  /** Of the machine that the doctor runs on. */
  readonly cores: number;
  /** Processes with this configuration; without, the probes that are connected are counted. */
  readonly processes?: number;
  /** After this long without traffic a firewall or balancer in between forgets a connection. */
  readonly middleboxTimeoutMs: number;
  readonly metrics?: MetricsFacts;
  readonly patroni?: PatroniFacts;
}

/** Where something could not be seen: why. */
export interface Unseen {
  readonly unseen: string;
}

export type Seen<T> = T | Unseen;

export function isSeen<T extends object>(facts: Seen<T> | undefined): facts is T {
  return facts !== undefined && !('unseen' in facts);
}

export interface NodeFacts {
  readonly settings: NodeSettings;
  readonly server: Seen<ServerFacts>;
  /** As the pool's account for the role that the node holds. */
  readonly account: Seen<AccountFacts>;
  /** Of the account that would promote; only in the mode `promote`. */
  readonly rights?: Seen<Rights>;
}

/** A node that answered. */
export interface ServedNode extends NodeFacts {
  readonly server: ServerFacts;
}

/** The nodes that answered, of one role if one is given. */
export function served({ nodes }: Pick<Facts, 'nodes'>, role?: Role): ServedNode[] {
  return nodes
    .filter((node): node is ServedNode => isSeen(node.server))
    .filter(({ server }) => role === undefined || server.role === role);
}

export interface ServerFacts {
  readonly role: Role;
  readonly version: string;
  /** From `pg_settings`, in its base units. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Whether the account of the probes sees what others do. */
  readonly isMonitor: boolean;
  readonly clients: ClientCounts;
  readonly slots: readonly Slot[];
  /** The `application_name` of each standby that streams from here. */
  readonly standbys: readonly string[];
  readonly clock: ClockSample;
  /** Another process answers than the one that greeted: a pooler hands connections on. */
  readonly isPooled: boolean;
}

export interface ClientCounts {
  /** Probes of this configuration: each process has one. */
  readonly probes: number;
  /** Clients that are none of its processes. */
  readonly others: number;
}

export interface Slot {
  readonly name: string;
  readonly active: boolean;
  /** `reserved`, `extended`, `unreserved`, `lost`. */
  readonly walStatus: string | null;
  readonly retainedBytes: number;
}

/** How far the server's clock is ahead of ours, give or take half of the round trip. */
export interface ClockSample {
  readonly aheadMs: number;
  readonly uncertaintyMs: number;
}

export interface AccountFacts {
  readonly user: string;
  readonly database: string;
  readonly role: Role;
  /** The protocol's version where the server's end of the connection is encrypted. */
  readonly tls: string | null;
  readonly statementTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
  /** What beyond reading it may do, with an example each. */
  readonly powers: readonly string[];
}

export type MetricsFacts = { readonly url: string } & (
  { readonly status: number; readonly hasPoolSize: boolean } | Unseen
);

export type PatroniFacts = { readonly members: number; readonly leader: string | undefined } | Unseen;
