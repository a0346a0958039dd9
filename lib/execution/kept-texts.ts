/** Why a text is kept from the replicas for a while. */
export type KeepReason = 'recovery-conflicts' | 'replica-differs';

interface Record {
  conflicts: number;
  readonly since: number;
  reason: KeepReason | undefined;
  until: number;
}

const MOST_TEXTS = 500;
/** In characters: what is longer is not remembered. */
const LONGEST = 10_000;
const CONFLICTS = 3;
const CONFLICTS_WITHIN_MS = 60_000;
const KEPT_MS = 60_000;

/** Remembers the texts that go wrong on replicas, a bounded number of them, for a minute. Times: milliseconds. */
export class KeptTexts {
  readonly #records = new Map<string, Record>();

  reasonFor(text: string, now: number): KeepReason | undefined {
    if (this.#records.size === 0) return undefined;
    const record = this.#records.get(text);
    return record && record.until > now ? record.reason : undefined;
  }

  /** A replica answered otherwise than the primary would. */
  differed(text: string, now: number): void {
    this.#put(text, { conflicts: 0, since: now, reason: 'replica-differs', until: now + KEPT_MS });
  }

  /** A replica cancelled it for its replay; one that loses again and again is kept. */
  conflicted(text: string, now: number): void {
    const found = this.#records.get(text);
    const isRecent = found !== undefined && now - found.since < CONFLICTS_WITHIN_MS;
    const conflicts = (isRecent ? found.conflicts : 0) + 1;
    const since = isRecent ? found.since : now;
    if (conflicts >= CONFLICTS) {
      this.#put(text, { conflicts, since, reason: 'recovery-conflicts', until: now + KEPT_MS });
      return;
    }
    // What it is kept for already holds: replica scopes go on to run it, and calls may have been under way.
    const { reason, until = 0 } = found ?? {};
    this.#put(text, { conflicts, since, reason, until });
  }

  #put(text: string, record: Record): void {
    if (text.length > LONGEST) return;
    // The oldest goes first.
    this.#records.delete(text);
    this.#records.set(text, record);
    for (const oldest of this.#records.keys()) {
      if (this.#records.size <= MOST_TEXTS) break;
      this.#records.delete(oldest);
    }
  }
}
