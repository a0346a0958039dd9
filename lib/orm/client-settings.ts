/** What a client has SET: what holds for its next statement, wherever that runs. */
export class ClientSettings {
  /** By the names that each text sets, in the order of setting. */
  readonly #texts = new Map<string, string>();
  #kept: ReadonlyMap<string, string> | undefined;

  /** @param names As `settingsIn` tells them; `*` is all. */
  set(names: string, text: string): void {
    if (names === '*') this.clear();
    else {
      this.#texts.delete(names);
      this.#texts.set(names, text.replace(/[\s;]+$/, ''));
    }
  }

  clear(): void {
    this.#texts.clear();
  }

  /** What is set now is there again after each `restore`. */
  keep(): void {
    if (this.#texts.size > 0) this.#kept = new Map(this.#texts);
  }

  restore(): void {
    if (this.#texts.size > 0) this.#texts.clear();
    if (!this.#kept) return;
    for (const [names, text] of this.#kept) this.#texts.set(names, text);
  }

  /** One text for all; undefined where nothing is set. */
  get text(): string | undefined {
    // On lines of their own, since one may end with a comment.
    return this.#texts.size === 0 ? undefined : [...this.#texts.values()].join('\n;\n');
  }
}
