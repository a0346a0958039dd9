import type { Session } from './session.js';

/** What a transaction has done so far, for when it ends. Savepoints share their transaction's. */
export class Deeds {
  readonly #writers = new Map<Session, () => void>();
  hasChangedDefinitions = false;
  /** What it begins with is nothing for a replica. */
  needsPrimary = false;

  constructor(readonly isReadOnly: boolean) {}

  /** Until it ends, what the session reads elsewhere must not be from before. */
  writesFor(session: Session, now: () => number): void {
    if (!this.#writers.has(session)) this.#writers.set(session, session.openWrite(now));
  }

  /** It is over, and whether it has committed may not be known. */
  end(): readonly Session[] {
    const writers = [...this.#writers.keys()];
    for (const ended of this.#writers.values()) ended();
    this.#writers.clear();
    return writers;
  }
}
