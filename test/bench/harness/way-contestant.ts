import { findWay, type WayName } from '../ways/catalogue.js';
import type { Target } from '../ways/way.js';
import type { Contestant } from './contest.js';
import type { Figures, Slice } from './figures.js';
import { WayProcess } from './way-process.js';

export interface WayPlan {
  readonly way: WayName;
  readonly target: Target;
  /** Unless given, the way's own. */
  readonly name?: string;
  readonly label?: string;
  readonly every?: number;
  /**
   * They take turns, round by round; one unless given. The same code, compiled anew, was measured at 0.8 to 1.2 of
   * itself.
   */
  readonly processes?: number;
  /** Why it can't be opened, where that is known beforehand. */
  readonly missing?: string | undefined;
}

/** The same on several targets. */
export interface PlanOnEach extends Pick<WayPlan, 'way' | 'processes'> {
  readonly targets: readonly Target[];
}

/** The processes of one way. */
export interface Runner {
  run(slice: Slice, round?: number): Promise<Figures>;
}

/** A process that is new has itself to compile: for a second or more a call costs it ten times as much. */
export const COMPILE_MS = 2_000;

/** Of each of so many processes. Why one fails is told when it is measured. */
export async function warmUp(runner: Runner, slice: Slice, processes = 1): Promise<void> {
  for (let i = 0; i < processes; i++) await runner.run(slice, i).catch(() => {});
}

/** The processes of the ways of one contest: opened for it, and ended with it. */
export class WayProcesses implements AsyncDisposable {
  readonly #open: WayProcess[] = [];

  /**
   * One process after the other, in the order of the table.
   *
   * @param warm What each does before it is measured.
   */
  async contestants(
    plans: readonly WayPlan[],
    slice: Omit<Slice, 'callers'>,
    warm?: Pick<Slice, 'callers' | 'ms'>,
  ): Promise<Contestant[]> {
    const contestants: Contestant[] = [];
    for (const plan of plans) {
      const runner = await this.open(plan);
      if (warm) await warmUp(runner, { ...slice, ...warm }, plan.processes);
      contestants.push({
        ...named(plan),
        measure: (callers, round) => runner.run({ ...slice, callers }, round),
      });
    }
    return contestants;
  }

  /** A way whose process does not open can be asked all the same: its slices fail with the reason. */
  async open({ target, missing, ...plan }: WayPlan): Promise<Runner> {
    if (missing !== undefined) return { run: () => Promise.reject(new Error(missing)) };
    const open = await this.openOnEach({ ...plan, targets: [target] });
    return open(0);
  }

  /** Each process has the way open on each of the targets; returns what runs it on that of an index. */
  async openOnEach({ way, targets, processes = 1 }: PlanOnEach): Promise<(at: number) => Runner> {
    try {
      const first = await this.#start(way, targets);
      const all = [first];
      while (all.length < processes) all.push(await this.#start(way, targets));
      return (at) => ({ run: (slice, round = 0) => (all.at(round % all.length) ?? first).run(slice, at) });
    } catch (error) {
      return () => ({ run: () => Promise.reject(error) });
    }
  }

  async #start(way: WayName, targets: readonly Target[]): Promise<WayProcess> {
    const process = await WayProcess.open(way, targets);
    this.#open.push(process);
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((process) => process[Symbol.asyncDispose]()));
  }
}

export function named({ way, name = way, label = findWay(way).label, every = 1 }: WayPlan) {
  return { name, label, every };
}
