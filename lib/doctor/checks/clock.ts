import { formatDuration } from '../../duration.js';
import { served, type ClockSample, type Facts } from '../facts.js';
import { fail, finding, pass, warn, type Finding, type Verdict } from '../finding.js';

/** Beyond this the times in logs of several machines mislead. */
const NOTABLE_MS = 500;
/** Beyond this tokens and certificates begin to be refused. */
const GRAVE_MS = 30_000;

/** Whether the servers' clocks agree with ours. */
export function checkClock(facts: Facts): Finding[] {
  return served(facts).map(({ settings, server }) => finding('clock', judge(server.clock), settings.name));
}

function judge({ aheadMs, uncertaintyMs }: ClockSample): Verdict {
  const sure = Math.max(0, Math.abs(aheadMs) - uncertaintyMs);
  const direction = aheadMs < 0 ? 'behind' : 'ahead of';
  const seen = `${formatDuration(Math.abs(aheadMs))} ${direction} this machine, give or take ${formatDuration(uncertaintyMs)}`;
  if (sure <= NOTABLE_MS) return pass(seen);
  const remedy = 'keep all clocks by NTP';
  return sure > GRAVE_MS ? fail(seen, remedy) : warn(seen, remedy);
}
