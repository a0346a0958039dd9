import type { Obstacle } from '../statement/statement-class.js';

/** What has been found of each thing that was judged, which may refer to itself. */
export class Trials {
  readonly #verdicts = new Map<string, Obstacle | undefined>();
  readonly #underWay = new Set<string>();
  #metOneUnderWay = false;

  /** Judges a thing once: what is asked again meanwhile is not held against it. */
  once(key: string, judge: () => Obstacle | undefined): Obstacle | undefined {
    if (this.#verdicts.has(key)) return this.#verdicts.get(key);
    if (this.#underWay.has(key)) {
      this.#metOneUnderWay = true;
      return undefined;
    }
    this.#underWay.add(key);
    const verdict = judge();
    this.#underWay.delete(key);
    // An acquittal that leans on another trial still under way holds only if that one ends so.
    if (verdict || !this.#metOneUnderWay || this.#underWay.size === 0) this.#verdicts.set(key, verdict);
    if (this.#underWay.size === 0) this.#metOneUnderWay = false;
    return verdict;
  }

  /** For a new round, which knows more. */
  forgetAcquittals(): void {
    for (const [key, verdict] of this.#verdicts) if (!verdict) this.#verdicts.delete(key);
  }
}
