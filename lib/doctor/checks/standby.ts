import { formatDuration } from '../../duration.js';
import { served, type Facts } from '../facts.js';
import { finding, pass, warn, type Finding, type Verdict } from '../finding.js';
import { numberOf } from '../parameters.js';

/** Whether the primary spares rows that reads on a standby still see (manual, section 26.4.2). */
export function checkFeedback(facts: Facts): Finding[] {
  return served(facts, 'replica').map(({ settings, server: { parameters } }) => {
    const isOn = parameters.get('hot_standby_feedback') === 'on';
    const verdict = isOn
      ? pass('on: vacuum on the primary cancels no reads here')
      : warn(
          'off: vacuum on the primary may cancel long reads here, which run again elsewhere',
          'hot_standby_feedback = on, where reads take seconds; it delays vacuum on the primary',
        );
    return finding('hot-standby-feedback', verdict, settings.name);
  });
}

/** Whether replay waits for reads, but not until the replica is too far behind to take any. */
export function checkStandbyDelay(facts: Facts): Finding[] {
  const { maxLagMs } = facts.settings.routing;
  return served(facts, 'replica').map(({ settings, server: { parameters } }) => {
    const ms = numberOf(parameters, 'max_standby_streaming_delay') ?? 0;
    return finding('standby-delay', judgeDelay(ms, maxLagMs), settings.name);
  });
}

function judgeDelay(ms: number, maxLagMs: number): Verdict {
  const name = 'max_standby_streaming_delay';
  const lag = `routing.max_lag of ${formatDuration(maxLagMs)}`;
  if (ms < 0)
    return warn(`${name} is -1: one read can hold up replay for ever`, `${name} of no more than ${lag}`);
  if (ms === 0)
    return warn(
      `${name} is 0: every conflict cancels reads at once`,
      `${name} of some seconds, within ${lag}`,
    );
  const seen = `${name} is ${formatDuration(ms)}`;
  if (ms <= maxLagMs) return pass(`${seen}, within ${lag}`);
  return warn(
    `${seen}, over ${lag}: a long read takes its replica out of service`,
    `${name} of no more than ${formatDuration(maxLagMs)}, or a longer routing.max_lag`,
  );
}
