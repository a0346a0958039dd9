import type { FailoverEvent } from '../../failover-event.js';
import { queryOnce } from '../superuser.js';
import { until } from '../until.js';
import type { DrilledCluster } from './drilled-cluster.js';
import { FAULTS, type Fault, type FaultName, type Stage } from './faults.js';
import { Load, TABLE, type Call, type LoadOptions } from './load.js';

export interface DrillOptions extends Partial<LoadOptions> {
  readonly fault: FaultName;
  readonly cut?: Stage['cut'];
}

/** What a drill found. Durations are milliseconds from the fault on; absent where there was no such thing. */
export interface DrillReport {
  readonly fault: FaultName;
  readonly title: string;
  /** Until the failover was told of. */
  readonly detectionMs?: number;
  /** Until a node was promoted by this process. */
  readonly promotionMs?: number;
  /** Until a write was acknowledged, from when one could have been; only where the primary moves. */
  readonly firstWriteMs?: number;
  /** The longest that a write took which succeeded. */
  readonly longestWriteMs: number;
  readonly reads: number;
  readonly writes: number;
  readonly failedReads: readonly Call[];
  readonly failedWrites: readonly Call[];
  /** Of the writes that were acknowledged, those that are not there at the end. */
  readonly lost: number;
  readonly steps: readonly FailoverEvent[];
}

const DEFAULTS: LoadOptions = { writers: 16, readers: 64, pauseMs: 20 };
const DEADLINE_MS = 60_000;
/** So much is to go well before the fault, and after it. */
const CALLS_IN_PEACE = 200;

/**
 * Rehearses a fault on a cluster of tests, under load, and tells what it cost. The servers are whole again afterwards.
 *
 * @param servers Has two replicas at least; nobody else should use it meanwhile.
 * @param cluster Is connected to it.
 * @throws PgMcpError `EMBEDDED_CLUSTER` when the load does not go on within a minute.
 */
export async function drill(
  stage: { readonly servers: Stage['servers']; readonly cluster: DrilledCluster },
  { fault: name, cut, ...load }: DrillOptions,
): Promise<DrillReport> {
  const { servers, cluster } = stage;
  const fault: Fault = FAULTS[name];
  await cluster.query(`DROP TABLE IF EXISTS ${TABLE}`);
  await cluster.query(`CREATE TABLE ${TABLE} (id bigint PRIMARY KEY)`);
  const heard: { readonly at: number; readonly event: FailoverEvent }[] = [];
  const listen = (event: FailoverEvent) => void heard.push({ at: performance.now(), event });
  const callers = new Load(cluster, { ...DEFAULTS, ...load });
  let mend = async () => {};
  cluster.on('failover', listen);
  try {
    const peace = (since: number) =>
      until(() => successes(callers.calls, since) > CALLS_IN_PEACE, {
        deadlineMs: DEADLINE_MS,
        what: 'writes and reads to go on',
      });
    await peace(0);
    const struckAt = performance.now();
    const struck = await fault.strike({ ...stage, ...(cut && { cut }) });
    ({ mend } = struck);
    await peace(performance.now());
    const calls = await callers.stop();
    const since = (step: FailoverEvent['step']) => {
      const found = heard.find(({ event, at }) => event.step === step && at >= struckAt);
      return found && found.at - struckAt;
    };
    const [detectionMs, promotionMs] = [since('primary-lost'), since('promoted')];
    const firstWriteMs = fault.movesPrimary ? firstWrite(calls, struckAt, struck.writableAt) : undefined;
    const report: DrillReport = {
      fault: name,
      title: fault.title,
      ...(detectionMs !== undefined && { detectionMs }),
      ...(promotionMs !== undefined && { promotionMs }),
      ...(firstWriteMs !== undefined && { firstWriteMs }),
      longestWriteMs: Math.max(...calls.filter(isWritten).map(({ beganAt, endedAt }) => endedAt - beganAt)),
      reads: calls.filter(({ kind }) => kind === 'read').length,
      writes: calls.filter(({ kind }) => kind === 'write').length,
      failedReads: calls.filter(({ kind, failure }) => kind === 'read' && failure !== undefined),
      failedWrites: calls.filter(({ kind, failure }) => kind === 'write' && failure !== undefined),
      lost: await countLost(servers.primary.connectionString, calls),
      steps: heard.map(({ event }) => event),
    };
    return report;
  } finally {
    cluster.off('failover', listen);
    // Not waited for: after a failure there may be calls that nothing ends but the cluster's own end.
    void callers.stop();
    await mend();
  }
}

function isWritten({ kind, failure }: Call): boolean {
  return kind === 'write' && failure === undefined;
}

function successes(calls: readonly Call[], since: number): number {
  const good = calls.filter(({ beganAt, failure }) => beganAt >= since && failure === undefined);
  const writes = good.filter(({ kind }) => kind === 'write').length;
  return Math.min(writes, good.length - writes);
}

/** The first acknowledgement that came of the new primary: the old one gave its last before the gap. */
function firstWrite(calls: readonly Call[], struckAt: number, writableAt: number): number {
  const ends = calls.filter(isWritten).map(({ endedAt }) => endedAt);
  const after = ends.filter((at) => at >= struckAt).toSorted((a, b) => a - b);
  const gaps = after.map((at, i) => ({ at, gap: at - (after[i - 1] ?? struckAt) }));
  const [widest] = gaps.toSorted((a, b) => b.gap - a.gap);
  return (widest?.at ?? struckAt) - writableAt;
}

async function countLost(connectionString: string, calls: readonly Call[]): Promise<number> {
  const ids = calls.filter(isWritten).map(({ id }) => id);
  const { rows } = await queryOnce<{ n: number }>(
    connectionString,
    `SELECT count(*)::int AS n FROM unnest($1::bigint[]) AS acknowledged WHERE acknowledged NOT IN (SELECT id FROM ${TABLE})`,
    [ids],
  );
  return rows[0]?.n ?? ids.length;
}
