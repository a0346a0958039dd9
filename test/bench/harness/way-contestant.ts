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

/** The processes of one way. */
export interface Runner {
  run(slice: Slice, round?: number): Promise<Figures>;
}

/** The processes of the ways of one contest: opened for it, and ended with it. */
export class WayProcesses implements AsyncDisposable {
  readonly #open: WayProcess[] = [];

  /** One process after the other, in the order of the table. */
  async contestants(plans: readonly WayPlan[], slice: Omit<Slice, 'callers'>): Promise<Contestant[]> {
    const contestants: Contestant[] = [];
    for (const plan of plans) {
      const runner = await this.open(plan);
      contestants.push({
        ...named(plan),
        measure: (callers, round) => runner.run({ ...slice, callers }, round),
      });
    }
    return contestants;
  }

  /** A way whose process does not open can be asked all the same: its slices fail with the reason. */
  async open({ way, target, processes = 1, missing }: WayPlan): Promise<Runner> {
    try {
      if (missing !== undefined) throw new Error(missing);
      const first = await this.#start(way, target);
      const all = [first];
      while (all.length < processes) all.push(await this.#start(way, target));
      return { run: (slice, round = 0) => (all.at(round % all.length) ?? first).run(slice) };
    } catch (error) {
      return { run: () => Promise.reject(error) };
    }
  }

  async #start(way: WayName, target: Target): Promise<WayProcess> {
    const process = await WayProcess.open(way, target);
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
