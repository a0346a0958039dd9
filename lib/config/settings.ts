import type { FailoverCallback } from '../failover-event.js';
import type { Consistency } from '../query.js';
import type { Tls } from './tls.js';

/**
 * The settings as the rest of the house reads them: complete, checked, every duration in
 * milliseconds and every size in bytes. `load` makes them; nothing else does.
 */
export interface ClusterSettings {
  /** Where they came from, for messages: a path, or `the given options`. */
  readonly source: string;
  /** Of a file: the paths of the secrets that anybody can read in it. */
  readonly plainSecrets?: readonly string[];
  readonly nodes: readonly NodeSettings[];
  readonly monitor: MonitorSettings;
  readonly pool: PoolSettings;
  readonly healthCheck: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly routing: RoutingSettings;
  readonly consistency: Consistency;
  readonly session: SessionSettings;
  readonly failover: FailoverSettings;
  readonly leakDetection: LeakSettings;
  readonly startup: { readonly attempts: number; readonly delayMs: number };
  readonly shutdown: { readonly drainTimeoutMs: number };
}

export type Role = 'primary' | 'replica';

/** Who is to be let in, and where. */
export interface PasswordTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/** Called for each connection, for tokens that expire. */
export interface PasswordFunction {
  (target: PasswordTarget): string | Promise<string>;
  /** Told when the server has refused what it gave. */
  forget?(target: PasswordTarget): void;
}

export type Password = string | PasswordFunction;

/** Kept as a function: nothing that prints an object shows what one gives. */
export type Secret = () => string;

export interface Account {
  readonly user: string;
  readonly password?: PasswordFunction;
}

export interface NodeSettings {
  /** Unique within the cluster; `host:port` unless configured. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** Which list it stands in. Any node may hold either role later. */
  readonly configuredRole: Role;
  /** Accounts follow the role a node holds, not the list it stands in. */
  readonly accounts: Readonly<Record<Role, Account>>;
  readonly ssl: false | Tls;
  /** Share of the reads relative to the other nodes. */
  readonly weight: number;
  readonly zone?: string;
}

export interface MonitorSettings {
  /** The account of probes; without it, the account of the list that the node stands in. */
  readonly account?: Account;
  readonly database?: string;
}

export interface PoolSettings {
  readonly minConnections: number;
  readonly maxConnections: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly acquireTimeoutMs: number;
  readonly connectionTimeoutMs: number;
  /** How long a connection may sit idle before it is asked whether it still lives. */
  readonly keepaliveIntervalMs: number;
  readonly applicationName: string;
  /** Texts that come again and again are prepared once for each connection. */
  readonly prepare: boolean;
  /** The server cancels a statement that runs longer; 0 leaves that to the server's own setting. */
  readonly statementTimeoutMs: number;
}

export type Balance = 'least-loaded' | 'round-robin' | 'random' | 'weighted';

export interface RoutingSettings {
  /** What undecorated calls do. */
  readonly default: 'auto' | 'primary';
  readonly maxLagMs: number;
  readonly maxLagBytes: number;
  readonly balance: Balance;
  /** `shadow`: what nothing decorates goes to the primary, and where it would have gone is counted. */
  readonly mode: 'live' | 'shadow';
  /** Volatile functions that may run on a replica: `name` or `schema.name`. */
  readonly safeFunctions: readonly string[];
  readonly slowStartMs: number;
  /** Where this application runs: replicas of this zone are preferred. */
  readonly zone?: string;
}

export type FailoverMode = 'follow' | 'promote' | 'patroni';

export interface FailoverSettings {
  readonly mode: FailoverMode;
  /** So many probes in a row must fail before a node is down. */
  readonly maxRetryAttempts: number;
  /** Between two probes of a node in trouble. */
  readonly retryDelayMs: number;
  readonly maxDataLossBytes: number;
  readonly withoutQuorum: boolean;
  readonly maxWaitingCalls: number;
  readonly notificationCallback?: FailoverCallback;
  readonly patroni: PatroniSettings;
}

export interface LeakSettings {
  /** So long a connection may be kept; 0 turns detection off. */
  readonly thresholdMs: number;
  /** `destroy`: the connection of a lease is cut as well. */
  readonly action: 'report' | 'destroy';
}

export interface PatroniSettings {
  readonly urls: readonly string[];
  readonly account?: Account;
  readonly ssl: Tls;
  readonly timeoutMs: number;
}

/** How a session goes on in another process. */
export interface SessionSettings {
  /** What tokens are signed with; without one, a random one of this process. */
  readonly secret?: Secret;
  /** Names of the HTTP header and cookie that carry the token. */
  readonly header: string;
  readonly cookie: string;
}
