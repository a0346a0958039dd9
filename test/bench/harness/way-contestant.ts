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

/** The processes of the ways of one contest: opened for it, and ended with it. */
export class WayProcesses implements AsyncDisposable {
  readonly #open: WayProcess[] = [];

  /** A way whose process does not open is a contestant all the same, which fails with the reason. */
  async contestant(plan: WayPlan, slice: Omit<Slice, 'callers'>): Promise<Contestant> {
    const { way, target, name = way, label = findWay(way).label, every = 1, missing } = plan;
    const about = { name, label, every };
    try {
      if (missing !== undefined) throw new Error(missing);
      const process = await WayProcess.open(way, target);
      this.#open.push(process);
      return { ...about, measure: (callers) => process.run({ ...slice, callers }) };
    } catch (error) {
      return { ...about, measure: () => Promise.reject(error) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((process) => process[Symbol.asyncDispose]()));
  }
}
