import { parseDuration, type Duration } from '../duration.js';
import { checkClock } from './checks/clock.js';
import { checkFailoverRights } from './checks/failover-rights.js';
import { checkMetrics } from './checks/metrics.js';
import { checkNodes } from './checks/nodes.js';
import { checkPooler } from './checks/pooler.js';
import { checkPoolSize } from './checks/pool-size.js';
import { checkPoolTuning } from './checks/pool-tuning.js';
import { checkReadOnlyAccount } from './checks/read-only-account.js';
import { checkSlots, checkWalLevel } from './checks/replication.js';
import { checkSecrets } from './checks/secrets.js';
import { checkFeedback, checkStandbyDelay } from './checks/standby.js';
import { checkSynchronous } from './checks/synchronous.js';
import { checkTimeouts } from './checks/timeouts.js';
import { checkTls } from './checks/tls.js';
import { isSeen, type Facts } from './facts.js';
import {
  finding,
  pass,
  reportOf,
  warn,
  type CheckName,
  type DoctorReport,
  type Finding,
  type Verdict,
} from './finding.js';
import { gather, type GatherParts } from './gather.js';

export interface DoctorOptions {
  /** How many processes run with this configuration. Unless given, those whose probes are connected are counted. */
  readonly processes?: number;
  /** Where the application shows its metrics. */
  readonly metricsUrl?: string;
  /** After this long without traffic a firewall or balancer in between forgets a connection. Default: `'350s'`. */
  readonly middleboxTimeout?: Duration;
}

/** Amazon's balancers and NAT gateways, the most common ones. */
const MIDDLEBOX_TIMEOUT_MS = 350_000;

/** The checklist, in the order in which it is told. */
const CHECKS: Readonly<Record<CheckName, (facts: Facts) => readonly Finding[]>> = {
  nodes: checkNodes,
  'pool-size': checkPoolSize,
  'pool-tuning': checkPoolTuning,
  tls: checkTls,
  'read-only-account': checkReadOnlyAccount,
  timeouts: checkTimeouts,
  metrics: checkMetrics,
  'wal-level': checkWalLevel,
  'replication-slots': checkSlots,
  'hot-standby-feedback': checkFeedback,
  'standby-delay': checkStandbyDelay,
  'synchronous-standbys': checkSynchronous,
  clock: checkClock,
  pooler: checkPooler,
  'failover-rights': checkFailoverRights,
  secrets: checkSecrets,
};

/** Every item of the checklist is told of, also where nobody could be asked. Pure. */
export function judge(facts: Facts): Finding[] {
  const names = Object.keys(CHECKS) as CheckName[];
  return names.flatMap((name) => {
    const findings = CHECKS[name](facts);
    return findings.length > 0 ? findings : [finding(name, unanswered(facts))];
  });
}

function unanswered({ nodes }: Facts): Verdict {
  if (nodes.length === 1 && isSeen(nodes[0]?.server)) return pass('there are no replicas');
  return warn('no node that could tell answers', 'look again when the nodes are back');
}

/** @throws TypeError for an option that is none. */
export async function examine(
  cluster: string,
  { processes, metricsUrl, middleboxTimeout }: DoctorOptions,
  parts: GatherParts,
): Promise<DoctorReport> {
  const middleboxTimeoutMs =
    middleboxTimeout === undefined ? MIDDLEBOX_TIMEOUT_MS : parseDuration(middleboxTimeout);
  if (middleboxTimeoutMs === undefined)
    throw new TypeError("middleboxTimeout: expected a duration like '350s'");
  if (processes !== undefined && (!Number.isInteger(processes) || processes < 1))
    throw new TypeError('processes: expected a whole number of at least 1');
  const facts = await gather(parts, {
    middleboxTimeoutMs,
    ...(processes !== undefined && { processes }),
    ...(metricsUrl !== undefined && { metricsUrl }),
  });
  return reportOf({ cluster, source: parts.settings.source }, judge(facts));
}
