/** Work under way that nobody awaits, so that someone can see it through in the end. */
export class Errands {
  readonly #underWay = new Set<Promise<unknown>>();

  /** Remembers an errand until it is over, however it ends. */
  add<T>(errand: Promise<T>): Promise<T> {
    const over: Promise<unknown> = errand.then(
      () => this.#underWay.delete(over),
      () => this.#underWay.delete(over),
    );
    this.#underWay.add(over);
    return errand;
  }

  /** Resolves when none is under way, those begun meanwhile included. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }
}
