import { formatDuration } from '../../duration.js';
import { isSeen, type AccountFacts, type Facts } from '../facts.js';
import { fail, finding, pass, warn, type Finding, type Verdict } from '../finding.js';

/** Whether nothing waits for ever, and nothing is quiet for longer than a box in between bears. */
export function checkTimeouts(facts: Facts): Finding[] {
  const accounts = facts.nodes.flatMap(({ settings, account }) =>
    isSeen(account) ? [finding('timeouts', judgeStatements(account), settings.name)] : [],
  );
  return [finding('timeouts', judgeSilence(facts)), finding('timeouts', judgeOwn(facts)), ...accounts];
}

function judgeSilence({ settings: { pool }, middleboxTimeoutMs }: Facts): Verdict {
  const quietMs = Math.min(pool.keepaliveIntervalMs, pool.idleTimeoutMs);
  const seen = `an idle connection is used or asked after ${formatDuration(quietMs)}; a box in between forgets it after ${formatDuration(middleboxTimeoutMs)}`;
  if (quietMs < middleboxTimeoutMs) return pass(seen);
  return fail(seen, `connection_pool.keepalive_interval below ${formatDuration(middleboxTimeoutMs)}`);
}

/** A call waits no longer for a connection than for the answer that its own caller waits for. */
const LONG_CONNECT_MS = 10_000;

function judgeOwn({ settings: { pool, healthCheck } }: Facts): Verdict {
  const seen =
    `connect ${formatDuration(pool.connectionTimeoutMs)}, acquire ${formatDuration(pool.acquireTimeoutMs)}, ` +
    `probe ${formatDuration(healthCheck.timeoutMs)}`;
  const long = [
    ...(pool.connectionTimeoutMs > LONG_CONNECT_MS ? ['connection_pool.connection_timeout'] : []),
    ...(healthCheck.timeoutMs > LONG_CONNECT_MS ? ['health_check.timeout'] : []),
  ];
  if (long.length === 0) return pass(seen);
  return warn(seen, `${long.join(' and ')} of 3 to 5 s: a dead server is noticed no sooner`);
}

function judgeStatements({ user, statementTimeoutMs, idleInTransactionTimeoutMs }: AccountFacts): Verdict {
  const written = (ms: number) => (ms === 0 ? 'none' : formatDuration(ms));
  const seen = `${user}: statement_timeout ${written(statementTimeoutMs)}, idle_in_transaction_session_timeout ${written(idleInTransactionTimeoutMs)}`;
  const missing = [
    ...(statementTimeoutMs === 0 ? ['connection_pool.statement_timeout'] : []),
    ...(idleInTransactionTimeoutMs === 0
      ? [`ALTER ROLE ${user} SET idle_in_transaction_session_timeout = '60s'`]
      : []),
  ];
  return missing.length === 0 ? pass(seen) : warn(seen, `set a limit: ${missing.join('; ')}`);
}
