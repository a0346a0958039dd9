import { createHash } from 'node:crypto';
import type { AlikeTexts } from '../query.js';
import type { Span } from './pace.js';
import { TextCache, type CacheLimits } from '../text-cache.js';

/** A text that takes the server longer than this, on average, holds up others too long to share a connection. */
const SLOW_MS = 5;
/** On average, once it is known as slow: a text at the border does not change lanes with each call. */
const QUICK_AGAIN_MS = SLOW_MS / 2;
/** A call that takes less is over before another connection would have been read from. */
export const QUICK_MS = 0.5;
/**
 * More than a third of the calls of late: others only wait for their turn on a server that has much to do. With those
 * that say nothing a text comes back to where it began: else it would never be tried together with others again.
 */
const QUICKNESS = { most: 256, enough: 128, atFirst: 160, quickCall: 32, otherCall: -16, unclearCall: 1 };
/** It is with that of its next calls that a text is answered together with others again. */
const TOGETHER_AGAIN = 3;
/** One call counts as so much at most: a stall of this process makes no text a slow one. */
const MOST_AT_ONCE_MS = 4 * SLOW_MS;
/** The share of one call in the average; of one that says nothing, of what is forgotten. */
const WEIGHT = 1 / 8;
const FORGOTTEN = 1 / 16;

/** Longer ones are sent as they are: the server would keep text and plan for each connection. */
const LONGEST_PREPARED = 16_384;
const LIMITS: CacheLimits = { entries: 20_000, bytes: 16 * 1024 * 1024 };
/** The share of one gap in their average: a quarter, in whole numbers. */
const GAP_SHIFT = 2;
/** In calls. A whole number, since one that is none takes memory of its own. */
const LONG_AGO = 1e9;
/** So often a prepared statement must be gone before its time until that is taken for a rule. */
const MOST_LOSSES = 3;

/** Statements sent to the cluster so far. */
class Calls {
  count = 0;
}

/** What is remembered of a text, or of texts that are alike, while they are in use. */
export class KnownText {
  readonly #calls: Calls;
  #uses = 0;
  #last = -LONG_AGO;
  #interval = LONG_AGO;
  #averageMs = 0;
  #quickness = QUICKNESS.atFirst;
  #isSlow = false;
  #apart = 0;
  #longUntil = -Infinity;
  #name: string | undefined;

  /** Of which this is remembered, by their common text. */
  alike: AlikeTexts | undefined;
  /** What it sets would reach those that come behind it. */
  needsOwnTransaction = false;

  constructor(
    readonly text: string,
    calls = new Calls(),
  ) {
    this.#calls = calls;
  }

  /** It keeps others from their answers: it gets a connection to itself. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** It has come before, and was over so soon that some may well go behind each other. */
  get isQuick(): boolean {
    return this.#uses > 1 && this.#quickness >= QUICKNESS.enough && this.#averageMs < QUICK_AGAIN_MS;
  }

  /** It may be answered together with others, in one transaction. */
  get isSociable(): boolean {
    return this.isQuick && this.#apart === 0 && !this.needsOwnTransaction;
  }

  /** So many uses are no accident. */
  get isFrequent(): boolean {
    return this.#uses > 2;
  }

  /** It pays to prepare it. */
  get isRepeated(): boolean {
    return this.#uses > 1 && this.text.length <= LONGEST_PREPARED;
  }

  /** The same in every process: behind a proxy a connection may meet what another one has prepared. */
  get name(): string {
    this.#name ??= `mcp_${createHash('sha256').update(this.text).digest('base64url').slice(0, 22)}`;
    return this.#name;
  }

  /** It is sent once more. */
  used(): void {
    this.#uses++;
    if (this.#apart > 0) this.#apart--;
    const now = ++this.#calls.count;
    const gap = now - this.#last;
    if (this.#uses > 2) this.#interval += (gap - this.#interval) >> GAP_SHIFT;
    else this.#interval = gap;
    this.#last = now;
  }

  /** From one use to the next, in calls of the cluster, on average. */
  get interval(): number {
    return this.#interval;
  }

  /** The same, for one that may be out of use: as long at least as it has not come. */
  get presentInterval(): number {
    return Math.max(this.#interval, this.#calls.count - this.#last);
  }

  /**
   * A call of it kept the server busy for so many milliseconds; undefined where that can't be told.
   *
   * @param span Of one that was the first on its connection.
   */
  took(ms: number | undefined, span?: Span): void {
    // Of those that one stall has kept, one is enough.
    const isSaidAgain =
      ms !== undefined && ms >= QUICK_MS && span !== undefined && span.sentAt < this.#longUntil;
    if (ms === undefined || isSaidAgain) {
      this.#forget();
      return;
    }
    if (span && ms >= QUICK_MS) this.#longUntil = span.answeredAt;
    this.#averageMs += (Math.min(ms, MOST_AT_ONCE_MS) - this.#averageMs) * WEIGHT;
    this.#judge();
    const step = ms < QUICK_MS ? QUICKNESS.quickCall : QUICKNESS.otherCall;
    this.#quickness = Math.max(0, Math.min(this.#quickness + step, QUICKNESS.most));
  }

  #forget(): void {
    this.#averageMs -= this.#averageMs * FORGOTTEN;
    this.#judge();
    if (this.#quickness < QUICKNESS.atFirst) this.#quickness += QUICKNESS.unclearCall;
  }

  #judge(): void {
    this.#isSlow = this.#averageMs > (this.#isSlow ? QUICK_AGAIN_MS : SLOW_MS);
  }

  /** One of those that it was answered together with took long: which, is seen when each is answered by itself. */
  suspected(): void {
    this.#apart = TOGETHER_AGAIN;
  }

  /** It failed: those behind it in a group had to be sent once more. */
  failed(): void {
    this.#quickness = 0;
  }

  /** A call of it was seen to hold up others, or may have. */
  heldUpOthers(): void {
    this.#averageMs = MOST_AT_ONCE_MS;
    this.#isSlow = true;
  }
}

/** The texts of late, of one cluster: which of them come again, and so are prepared, and which are quick or slow. */
export class KnownTexts {
  readonly #texts: TextCache<KnownText>;
  readonly #calls = new Calls();
  #losses = 0;
  #isPreparing: boolean;

  /** @param prepare Whether to prepare what comes again. */
  constructor({ prepare, limits = LIMITS }: { prepare: boolean; limits?: CacheLimits }) {
    this.#isPreparing = prepare;
    this.#texts = new TextCache(limits);
  }

  /** Statements are prepared under names. */
  get isPreparing(): boolean {
    return this.#isPreparing;
  }

  /** @param alike Those that the text is one of. */
  of(text: string, alike?: AlikeTexts): KnownText {
    const common = alike?.text ?? text;
    let known = this.#texts.get(common);
    if (!known) {
      known = new KnownText(common, this.#calls);
      this.#texts.set(common, known);
    }
    // Those of the same text may have begun anew.
    if (common !== text) known.alike = alike;
    return known;
  }

  /** A statement that was prepared on a connection is not there, or what was not is: somebody stands in between. */
  lostPrepared(node: string): void {
    if (!this.#isPreparing || ++this.#losses < MOST_LOSSES) return;
    this.#isPreparing = false;
    process.emitWarning(
      `prepared statements are gone before their time on ${node}, as behind a PgBouncer that pools transactions or statements without max_prepared_statements: nothing is prepared any more; set max_prepared_statements there (PgBouncer 1.21 on), or connection_pool.prepare to false here`,
    );
  }
}
