import { lsnDistance } from '../lsn.js';
import type { Refusal } from './refusal.js';
import { isHearing, type StandbyReport } from './standby-report.js';
import type { View } from './view.js';

/**
 * Why the nodes must not be touched, whoever would be promoted. Pure.
 *
 * @param onTimeline Those that have the timeline to be left, where that was noted before.
 */
export function whyNotTouch(
  reports: readonly StandbyReport[],
  view: View,
  onTimeline?: readonly string[],
): Refusal | undefined {
  const { timeline } = view;
  for (const report of reports) {
    const { node, isStandby, receiver, sent } = report;
    if (!isStandby || (report.timeline ?? 0) > timeline || (receiver?.timeline ?? 0) > timeline)
      return { kind: 'already-promoted', node };
    if (sent?.timeline === timeline && sent.to !== undefined && !view.names.includes(sent.to))
      return { kind: 'strange-choice', node, to: sent.to };
    // To hear another of these standbys is to hear no primary.
    const isFromStandby = reports.some((other) => other.node === (receiver?.from ?? sent?.to));
    if (isHearing(report) && !isFromStandby)
      return { kind: 'still-heard', node, heardMsAgo: receiver?.heardMsAgo ?? 0 };
  }
  const isOnTimeline = ({ node, ...report }: StandbyReport) =>
    onTimeline?.includes(node) ?? report.timeline === timeline;
  return reports.some(isOnTimeline) ? undefined : { kind: 'left-behind', timeline };
}

/** The choice that a contender before has left in this failover, where the chosen node is among them. */
export function earlierChoice(
  reports: readonly StandbyReport[],
  timeline: number,
): StandbyReport | undefined {
  const chosen = reports.flatMap(({ sent }) => (sent?.timeline === timeline && sent.to ? [sent.to] : []));
  return mostAdvanced(reports.filter(({ node }) => chosen.includes(node)));
}

/** The one with the most log; of several, the first by name, so that all processes choose the same. */
export function mostAdvanced(reports: readonly StandbyReport[]): StandbyReport | undefined {
  return [...reports].sort((a, b) => Number(b.lsn - a.lsn) || (a.node < b.node ? -1 : 1))[0];
}

/** Whether promoting that one would lose more than is allowed. */
export function whyNotLose(candidate: StandbyReport, view: View): Refusal | undefined {
  const { node, lsn } = candidate;
  if (view.lastLsn === undefined) return { kind: 'loss-unknown', node };
  const bytes = lsnDistance(view.lastLsn, lsn);
  const allowed = view.maxLossBytes;
  return bytes > allowed ? { kind: 'too-much-lost', node, bytes, allowed } : undefined;
}
