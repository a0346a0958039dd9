import { findWay, type WayName } from '../ways/catalogue.js';
import type { Target } from '../ways/way.js';
import type { Contestant } from './contest.js';
import type { Slice } from './figures.js';
import { WayProcess } from './way-process.js';

export interface WayPlan {
  readonly way: WayName;
  readonly target: Target;
  /** Unless given, the way's own. */
  readonly name?: string;
  readonly label?: string;
  readonly every?: number;
  /** Why it can't be opened, where that is known beforehand. */
  readonly missing?: string | undefined;
}

export type Runner = Pick<WayProcess, 'run'>;

/** The processes of the ways of one contest: opened for it, and ended with it. */
export class WayProcesses implements AsyncDisposable {
  readonly #open: WayProcess[] = [];

  /** One process after the other, in the order of the table. */
  async contestants(plans: readonly WayPlan[], slice: Omit<Slice, 'callers'>): Promise<Contestant[]> {
    const contestants: Contestant[] = [];
    for (const plan of plans) {
      const process = await this.open(plan);
      contestants.push({ ...named(plan), measure: (callers) => process.run({ ...slice, callers }) });
    }
    return contestants;
  }

  /** A way whose process does not open can be asked all the same: its slices fail with the reason. */
  async open({ way, target, missing }: WayPlan): Promise<Runner> {
    try {
      if (missing !== undefined) throw new Error(missing);
      const process = await WayProcess.open(way, target);
      this.#open.push(process);
      return process;
    } catch (error) {
      return { run: () => Promise.reject(error) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((process) => process[Symbol.asyncDispose]()));
  }
}

export function named({ way, name = way, label = findWay(way).label, every = 1 }: WayPlan) {
  return { name, label, every };
}
