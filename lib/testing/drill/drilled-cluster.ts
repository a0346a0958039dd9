import type { FailoverEvent } from '../../failover-event.js';

/** What a drill needs of the cluster under test: `PgCluster` has it. */
export interface DrilledCluster {
  query(text: string, values?: readonly unknown[]): Promise<unknown>;
  useReplica<T>(work: () => T): T;
  switchover(target?: string): Promise<void>;
  on(event: 'failover', listener: (event: FailoverEvent) => void): unknown;
  off(event: 'failover', listener: (event: FailoverEvent) => void): unknown;
  getStatus(): { readonly primary?: string };
}
