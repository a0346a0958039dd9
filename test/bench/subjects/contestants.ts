import type { Contestant, Outcome } from '../harness/contest.js';
import type { Slice } from '../harness/figures.js';
import { WayProcesses, type WayPlan } from '../harness/way-contestant.js';

/** One process after the other, in the order of the table. */
export async function opened(
  processes: WayProcesses,
  plans: readonly WayPlan[],
  slice: Omit<Slice, 'callers'>,
): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const plan of plans) contestants.push(await processes.contestant(plan, slice));
  return contestants;
}

/** What ours failed at; a way of others that fails is no fault of the run. */
export function faultsOf({ contestants, failures }: Outcome): string[] {
  return contestants
    .filter(({ name }) => name.startsWith('ours'))
    .flatMap(({ label }) => (failures[label] === undefined ? [] : [`${label}: ${failures[label]}`]));
}
