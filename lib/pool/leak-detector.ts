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

interface Entry<H> {
  readonly hold: H;
  readonly since: number;
  isSettled: boolean;
  isTold: boolean;
}

/**
 * Finds connections that are not given back. It has one timer for all, which is set only while something is held, so a
 * brief hold costs an entry in a list.
 */
export class LeakDetector<H extends Hold> {
  readonly #clock: Clock;
  readonly #thresholdMs: number;
  readonly #tell: TellFinding<H>;
  readonly #entries: Entry<H>[] = [];
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(clock: Clock, thresholdMs: number, tell: TellFinding<H>) {
    this.#clock = clock;
    this.#thresholdMs = thresholdMs;
    this.#tell = tell;
  }

  taken(hold: H): void {
    const now = this.#clock.now();
    this.#entries.push({ hold, since: now, isSettled: false, isTold: false });
    this.#lookAt(now + Math.min(BRIEF_MS, this.#thresholdMs), now);
  }

  /** It has come back. What is unknown, or known no more, is passed over. */
  givenBack(hold: H): void {
    const entry = this.#takeOut(hold);
    if (entry?.isTold === true) this.#found(entry, 'recovered');
  }

  /** Nobody can give it back any more. False where that has been done. */
  collected(hold: H): boolean {
    const entry = this.#takeOut(hold);
    if (!entry) return false;
    this.#found(entry, 'collected');
    return true;
  }

  /** It is nothing to tell of any more. */
  forget(hold: H): void {
    this.#takeOut(hold);
  }

  /** Those taken last are the first to come back. */
  #takeOut(hold: H): Entry<H> | undefined {
    const entries = this.#entries;
    for (let at = entries.length - 1; at >= 0; at--) {
      const entry = entries[at];
      if (entry?.hold !== hold) continue;
      if (at === entries.length - 1) entries.pop();
      else entries.splice(at, 1);
      return entry;
    }
    return undefined;
  }

  /** Tells of all that are held, and forgets them. */
  end(): void {
    this.#sleep();
    for (const entry of this.#entries.splice(0)) this.#found(entry, 'open');
  }

  #look(): void {
    const now = this.#clock.now();
    this.#sleep();
    for (const entry of this.#entries.slice()) {
      if (!entry.isSettled && now - entry.since >= BRIEF_MS) this.#settle(entry);
      const isDue = !entry.isTold && now - entry.since >= this.#thresholdMs;
      // Who was told of the one before may have given this one back.
      if (isDue && this.#entries.includes(entry)) this.#found(entry, 'held');
    }
    let next = Infinity;
    for (const entry of this.#entries) next = Math.min(next, this.#dueAt(entry));
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

  #dueAt({ since, isSettled, isTold }: Entry<H>): number {
    return Math.min(isSettled ? Infinity : since + BRIEF_MS, isTold ? Infinity : since + this.#thresholdMs);
  }

  #found(entry: Entry<H>, finding: Finding): void {
    const isFirst = !entry.isTold;
    entry.isTold = true;
    this.#settle(entry);
    this.#tell(entry.hold, finding, this.#clock.now() - entry.since, isFirst);
  }

  #settle(entry: Entry<H>): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    entry.hold.settle();
  }
}
