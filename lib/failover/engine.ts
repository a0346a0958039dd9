import type { Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import type { DriverConnection } from '../pool/driver.js';
import type { Monitor } from '../topology/monitor.js';
import type { Topology } from '../topology/topology.js';
import type { Journal } from './journal.js';

/** What an engine works with. */
export interface EngineParts {
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly monitor: Monitor;
  readonly journal: Journal;
  /**
   * Opens a connection to a node, as the account of the probes, in `monitor.database` or else `postgres`.
   * Whoever opens it ends it, and listens to its loss.
   */
  connect(node: string, signal?: AbortSignal): Promise<DriverConnection>;
}

/** What a mode does beyond following whoever is primary. */
export interface FailoverEngine {
  /** Once, when the cluster has started. Never rejects: what is missing is told to the journal. */
  start(): Promise<void>;
  /** Every new topology. Must return at once. */
  changed(next: Topology, previous: Topology): void;
  /**
   * Has the primary moved by whoever rules here, to a node of its choice unless one is given; without, it is done by SQL.
   * Resolves with the node that was promoted.
   *
   * @throws PgMcpError `SWITCHOVER_FAILED`
   */
  switchover?(from: string, to: string | undefined): Promise<string>;
  /** Ends what is under way in a state that another process finishes or backs out of. */
  stop(): Promise<void>;
}
