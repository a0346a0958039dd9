import { hold, type Contestant, type Outcome } from '../harness/contest.js';
import type { Slice } from '../harness/figures.js';
import { COMPILE_MS, WayProcesses, type WayPlan } from '../harness/way-contestant.js';
import type { RunContext } from './subject.js';

/** How ways are measured where it comes to a few per cent. */
export interface Turns {
  readonly work: Slice['work'];
  /** Numbers of callers. */
  readonly levels: readonly number[];
  /** Of those ways whose ratios are asked for. */
  readonly processes: number;
  readonly rounds: number;
  readonly sliceMs: number;
  readonly leadMs: number;
}

/**
 * Opens the ways, lets each of their processes compile itself, and measures them in turns.
 *
 * @param more What is measured with them and is no way.
 */
export async function inTurns(
  what: string,
  plans: readonly WayPlan[],
  { work, levels, processes, rounds, sliceMs, leadMs }: Turns,
  context: RunContext,
  more: readonly Contestant[] = [],
): Promise<Outcome> {
  await using opened = new WayProcesses();
  const slice = { work, ms: context.ms(sliceMs), leadMs: context.ms(leadMs) };
  const warm = { callers: Math.max(...levels), ms: context.ms(COMPILE_MS) };
  const ways = await opened.contestants(plans, slice, warm);
  return await hold({
    contestants: [...ways, ...more],
    levels,
    rounds: context.rounds(rounds),
    warmUps: processes,
    onRound: context.onRound(what),
  });
}
