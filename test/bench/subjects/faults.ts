import type { Outcome } from '../harness/contest.js';

/** What ours failed at; a way of others that fails is no fault of the run. */
export function faultsOf({ contestants, failures }: Outcome): string[] {
  return contestants
    .filter(({ name }) => name.startsWith('ours'))
    .flatMap(({ label }) => (failures[label] === undefined ? [] : [`${label}: ${failures[label]}`]));
}
