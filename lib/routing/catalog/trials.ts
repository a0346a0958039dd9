import type { Obstacle } from '../statement/statement-class.js';

/** What has been found of each thing that was judged, which may refer to itself. */
export class Trials {
  readonly #verdicts = new Map<string, Obstacle | undefined>();
  /** How many others each trial that is under way stands within. */
  readonly #underWay = new Map<string, number>();
  /** Acquittals that hold if a trial under way ends with one: the outermost of those they lean on. The latest last. */
  readonly #provisional = new Map<string, number>();
  /** The outermost trial that what was found since the last one began leans on. */
  #leansOn = Infinity;

  /** Judges a thing once: what is asked again meanwhile is not held against it. */
  once(key: string, judge: () => Obstacle | undefined): Obstacle | undefined {
    if (this.#verdicts.has(key)) return this.#verdicts.get(key);
    const outer = this.#underWay.get(key) ?? this.#provisional.get(key);
    if (outer === undefined) return this.#judge(key, judge);
    this.#leansOn = Math.min(this.#leansOn, outer);
    return undefined;
  }

  #judge(key: string, judge: () => Obstacle | undefined): Obstacle | undefined {
    const [depth, known, leantOn] = [this.#underWay.size, this.#provisional.size, this.#leansOn];
    let acquits = false;
    this.#underWay.set(key, depth);
    this.#leansOn = Infinity;
    try {
      const verdict = judge();
      if (verdict) this.#verdicts.set(key, verdict);
      else acquits = true;
      return verdict;
    } finally {
      this.#underWay.delete(key);
      this.#settle(acquits ? key : undefined, known, depth);
      this.#leansOn = Math.min(leantOn, this.#leansOn);
    }
  }

  /**
   * What becomes of the acquittals within a trial.
   *
   * @param acquitted What it was about, unless that was found guilty, or never came to an end.
   * @param known How many were provisional before.
   */
  #settle(acquitted: string | undefined, known: number, depth: number): void {
    const isFinal = this.#leansOn >= depth;
    for (const key of [...this.#provisional.keys()].slice(known)) {
      if (acquitted === undefined || isFinal) this.#provisional.delete(key);
      else this.#provisional.set(key, this.#leansOn);
      if (acquitted !== undefined && isFinal) this.#verdicts.set(key, undefined);
    }
    if (acquitted !== undefined && !isFinal) this.#provisional.set(acquitted, this.#leansOn);
    else {
      if (acquitted !== undefined) this.#verdicts.set(acquitted, undefined);
      this.#leansOn = Infinity;
    }
  }

  /** For a new round, which knows more. */
  forgetAcquittals(): void {
    for (const [key, verdict] of this.#verdicts) if (!verdict) this.#verdicts.delete(key);
  }
}
