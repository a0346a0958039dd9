import type { Clock, Timer } from '../clock.js';

/** When a hold is no brief one any more. */
const BRIEF_MS = 250;

/** A connection that somebody has to himself. */
export interface Hold {
  /** It is no brief one: what it refers to is written down now, so that it keeps nobody's objects alive. */
  settle(): void;
}

export type Finding = 'held' | 'recovered' | 'collected' | 'open';

/** @param isFirst Nothing was told of this hold before. */
export type TellFinding<H> = (hold: H, finding: Finding, heldMs: number, isFirst: boolean) => void;

interface Entry {
  readonly since: number;
  isSettled: boolean;
  isTold: boolean;
}

/**
 * Finds connections that are not given back. It has one timer for all, which is set only while something is held, so a
 * brief hold costs an entry in a map.
 */
export class LeakDetector<H extends Hold> {
  readonly #clock: Clock;
  readonly #thresholdMs: number;
  readonly #tell: TellFinding<H>;
  readonly #entries = new Map<H, Entry>();
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(clock: Clock, thresholdMs: number, tell: TellFinding<H>) {
    this.#clock = clock;
    this.#thresholdMs = thresholdMs;
    this.#tell = tell;
  }

  taken(hold: H): void {
    const now = this.#clock.now();
    this.#entries.set(hold, { since: now, isSettled: false, isTold: false });
    this.#lookAt(now + Math.min(BRIEF_MS, this.#thresholdMs), now);
  }

  /** It has come back. What is unknown, or known no more, is passed over. */
  givenBack(hold: H): void {
    const entry = this.#entries.get(hold);
    if (this.#entries.delete(hold) && entry?.isTold === true) this.#found(hold, entry, 'recovered');
  }

  /** Nobody can give it back any more. False where that has been done. */
  collected(hold: H): boolean {
    const entry = this.#entries.get(hold);
    if (!entry) return false;
    this.#entries.delete(hold);
    this.#found(hold, entry, 'collected');
    return true;
  }

  /** It is nothing to tell of any more. */
  forget(hold: H): void {
    this.#entries.delete(hold);
  }

  /** Tells of all that are held, and forgets them. */
  end(): void {
    this.#sleep();
    for (const [hold, entry] of this.#entries) this.#found(hold, entry, 'open');
    this.#entries.clear();
  }

  #look(): void {
    const now = this.#clock.now();
    this.#sleep();
    for (const [hold, entry] of this.#entries) {
      if (!entry.isSettled && now - entry.since >= BRIEF_MS) this.#settle(hold, entry);
      if (!entry.isTold && now - entry.since >= this.#thresholdMs) this.#found(hold, entry, 'held');
    }
    let next = Infinity;
    for (const entry of this.#entries.values()) next = Math.min(next, this.#dueAt(entry));
    this.#lookAt(next, now);
  }

  /** Sooner than was meant, if need be: those that are held for long are looked at rarely. */
  #lookAt(at: number, now: number): void {
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.setTimer(() => this.#look(), at - now, true);
  }

  #sleep(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  #dueAt({ since, isSettled, isTold }: Entry): number {
    return Math.min(isSettled ? Infinity : since + BRIEF_MS, isTold ? Infinity : since + this.#thresholdMs);
  }

  #found(hold: H, entry: Entry, finding: Finding): void {
    const isFirst = !entry.isTold;
    entry.isTold = true;
    this.#settle(hold, entry);
    this.#tell(hold, finding, this.#clock.now() - entry.since, isFirst);
  }

  #settle(hold: H, entry: Entry): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    hold.settle();
  }
}
