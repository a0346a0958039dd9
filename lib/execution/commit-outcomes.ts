import { delay, type Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { codeOf, ConnectionLostError } from '../errors.js';
import type { Driver } from '../pool/driver.js';
import type { QueryResult } from '../query.js';
import type { Monitor } from '../topology/monitor.js';
import { nodeOf, type Topology } from '../topology/topology.js';
import { monitorConnectOptions } from './connect-options.js';

export interface CommitOutcomesParts {
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly driver: Driver;
  readonly monitor: Monitor;
}

/** Where a COMMIT was sent whose answer was lost. */
export interface LostCommit {
  readonly node: string;
  /** Of the transaction, where it is known. */
  readonly xid: string | undefined;
  /** When it was sent. */
  readonly sentAt: number;
  /** Of the node, before. */
  readonly timeline: number | undefined;
}

const AGAIN_MS = 50;

/**
 * After a crash an id may be given out a second time, where nothing of its first transaction had reached the disk. So
 * `committed` is a proof only by a server that has lived on: its checkpointer is older than the COMMIT is.
 */
const STATUS = `
  SELECT pg_xact_status($1::xid8) AS status,
    ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS timeline,
    (SELECT extract(epoch FROM clock_timestamp() - backend_start) * 1000 FROM pg_stat_activity
      WHERE backend_type = 'checkpointer')::float8 AS alive_ms`;

/** `invalid_parameter_value`: no transaction has that id yet, so the one that had it is gone with the crash. */
const IN_THE_FUTURE = '22023';

interface StatusRow {
  readonly status: 'committed' | 'aborted' | 'in progress' | null;
  readonly timeline: number;
  /** None where the account may not see it. */
  readonly alive_ms: number | null;
}

/** Finds out what became of transactions whose connection broke under COMMIT, one after the other. */
export class CommitOutcomes {
  readonly #parts: CommitOutcomesParts;
  #before: Promise<unknown> = Promise.resolve();

  constructor(parts: CommitOutcomesParts) {
    this.#parts = parts;
  }

  timelineOf(node: string): number | undefined {
    return nodeOf(this.#parts.monitor.topology, node)?.facts?.timeline;
  }

  /**
   * Resolves where it was committed. It is looked for as long as `acquire_timeout`.
   *
   * @throws ConnectionLostError where it was rolled back, or nobody can tell.
   */
  async settle(lost: ConnectionLostError, commit: LostCommit): Promise<QueryResult> {
    const { clock, settings } = this.#parts;
    const deadline = clock.now() + settings.pool.acquireTimeoutMs;
    const finding = this.#before.then(() => this.#find(commit, deadline));
    this.#before = finding;
    const outcome = await finding;
    if (outcome === 'committed') return { command: 'COMMIT', rows: [], rowCount: null, fields: [] };
    if (outcome === 'aborted') throw new ConnectionLostError(lost.node, outcome, lost.cause);
    throw lost;
  }

  /** Never rejects. */
  async #find(
    { node, xid, timeline, sentAt }: LostCommit,
    deadline: number,
  ): Promise<'committed' | 'aborted' | 'unknown'> {
    const { clock, monitor } = this.#parts;
    if (xid === undefined || timeline === undefined) return 'unknown';
    const left = () => Math.max(0, deadline - clock.now());
    while (left() > 0) {
      // On a newer timeline the id may be that of another transaction.
      const isDecided = (topology: Topology) =>
        topology.newestTimeline !== timeline || topology.primary === node;
      const topology = await monitor.until(isDecided, left());
      if (topology?.newestTimeline !== timeline) return 'unknown';
      const row = await this.#ask(node, xid).catch((error: unknown) => codeOf(error));
      if (row === IN_THE_FUTURE) return 'aborted';
      if (typeof row === 'object') {
        if (row.timeline !== timeline || row.status === null) return 'unknown';
        if (row.status === 'aborted') return 'aborted';
        const hasLivedOn = (row.alive_ms ?? 0) > clock.now() - sentAt;
        if (row.status === 'committed') return hasLivedOn ? 'committed' : 'unknown';
      }
      await delay(clock, Math.min(AGAIN_MS, left()));
    }
    return 'unknown';
  }

  async #ask(node: string, xid: string): Promise<StatusRow | undefined> {
    const { settings, driver, clock } = this.#parts;
    const found = settings.nodes.find(({ name }) => name === node);
    if (!found) return undefined;
    const { timeoutMs } = settings.healthCheck;
    const connection = await driver.connect(monitorConnectOptions(found, settings), clock);
    const timeout = clock.setTimer(() => connection.destroy(), timeoutMs, true);
    try {
      return (await connection.query<StatusRow>(STATUS, [xid])).rows[0];
    } finally {
      timeout.cancel();
      if (connection.isLost) connection.destroy();
      else await connection.end();
    }
  }
}
