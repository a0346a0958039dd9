/** `warn`: it works, and an operator should know; `fail`: not fit for production. */
export type Level = 'pass' | 'warn' | 'fail';

/** What one check has found, on one node or on the whole. */
export interface Finding {
  /** What was looked at, as a word that programs can compare. */
  readonly check: CheckName;
  readonly level: Level;
  readonly node?: string;
  readonly seen: string;
  /** What to do, unless it passed. */
  readonly remedy?: string;
}

export type CheckName =
  | 'nodes'
  | 'pool-size'
  | 'pool-tuning'
  | 'tls'
  | 'read-only-account'
  | 'timeouts'
  | 'metrics'
  | 'wal-level'
  | 'replication-slots'
  | 'hot-standby-feedback'
  | 'standby-delay'
  | 'synchronous-standbys'
  | 'clock'
  | 'pooler'
  | 'failover-rights'
  | 'secrets';

/** What a check says; it is named, and its node too, by who asks it. */
export type Verdict = Pick<Finding, 'level' | 'seen' | 'remedy'>;

export const pass = (seen: string): Verdict => ({ level: 'pass', seen });
export const warn = (seen: string, remedy: string): Verdict => ({ level: 'warn', seen, remedy });
export const fail = (seen: string, remedy: string): Verdict => ({ level: 'fail', seen, remedy });

export function finding(check: CheckName, { level, seen, remedy }: Verdict, node?: string): Finding {
  return { check, level, ...(node !== undefined && { node }), seen, ...(remedy !== undefined && { remedy }) };
}

/** What `cluster.doctor()` found. Fit for JSON; it holds no secret. */
export interface DoctorReport {
  readonly cluster: string;
  /** Where the settings came from. */
  readonly source: string;
  /** The worst of all. */
  readonly level: Level;
  readonly counts: Readonly<Record<Level, number>>;
  readonly findings: readonly Finding[];
}

/** Pure. */
export function reportOf(
  { cluster, source }: Pick<DoctorReport, 'cluster' | 'source'>,
  findings: readonly Finding[],
): DoctorReport {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  const counts = { pass: count('pass'), warn: count('warn'), fail: count('fail') };
  const level = counts.fail > 0 ? 'fail' : counts.warn > 0 ? 'warn' : 'pass';
  return { cluster, source, level, counts, findings };
}
