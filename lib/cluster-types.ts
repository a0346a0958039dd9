import type { Observable } from 'rxjs';
import type { Clock } from './clock.js';
import type { ClusterStatus } from './execution/status.js';
import type { Tally } from './execution/tally.js';
import type { Driver } from './pool/driver.js';
import type { FailoverEvent } from './failover-event.js';
import type { LeakEvent } from './leak-event.js';
import type { NodePool } from './pool/node-pool.js';
import type { NodeChange } from './topology/changes.js';

export interface ClusterEvents {
  /** A node changed its role or health, or began or ceased to lag. */
  topology: [event: { readonly changes: readonly NodeChange[]; readonly status: ClusterStatus }];
  /** One step of a failover or switchover, or something else an operator should know of it. */
  failover: [event: FailoverEvent];
  /** A connection is held past the threshold, or was lost, or came back after all. */
  leak: [event: LeakEvent];
}

/** What a cluster is built from, beside its settings; tests put their own in. */
export interface ClusterParts {
  readonly name?: string;
  readonly clock?: Clock;
  readonly driver?: Driver;
  /** Evenly from 0 to 1, 1 excluded. */
  readonly random?: () => number;
}

/** What a transaction returns of its function's result: a plain value comes as a promise, since the commit does. */
export type Transacted<T> = T extends
  PromiseLike<unknown> | Observable<unknown> | AsyncGenerator<unknown, unknown, unknown>
  ? T
  : Promise<T>;

export interface ClusterCounters {
  readonly decisions: Tally['decisions'];
  readonly retries: Tally['retries'];
  /** Tokens of sessions that counted for nothing, by the reason. */
  readonly ignoredTokens: Tally['ignoredTokens'];
  /** Failovers and switchovers that are over, by how they ended. */
  readonly failovers: Tally['failovers'];
  /** Connections that were held past the threshold or lost, by who kept them. */
  readonly leaks: Tally['leaks'];
  readonly connections: readonly ({ readonly node: string } & NodePool['history'])[];
}
