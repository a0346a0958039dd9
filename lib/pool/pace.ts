import { QUICK_MS } from './known-texts.js';

/** The share by which a round trip may lengthen with each call, so that one quick answer does not count for good. */
const LENGTHENS = 0.02;

/** The steps in which what is common follows the calls; those with a connection to themselves may be slow ones only. */
const STEPS = { down: 1.05, up: 1.05, upByLone: 1.02 };
/** What takes so many times as long as others do takes it for itself. */
const STANDS_OUT = 5;

/** A call that was not behind another one: when it was sent and answered, in milliseconds. */
export interface Span {
  readonly sentAt: number;
  readonly answeredAt: number;
  /** Those that were answered together; one unless given. */
  readonly calls?: number;
}

/** How quickly a server answers: what a call takes beyond that is its own doing, unless all take as long. */
export class Pace {
  #roundTripMs: number | undefined;
  #commonMs: number | undefined;

  /** What the quickest answers of late took; 0 while there was none. */
  get roundTripMs(): number {
    return this.#roundTripMs ?? 0;
  }

  /**
   * What a call took for itself that was the first on its connection. Undefined where that can't be told: others take
   * as long, so all may wait for their turn, on a busy server or in this process.
   */
  ofFirst(span: Span): number | undefined {
    const tookMs = span.answeredAt - span.sentAt;
    this.#roundTripMs = Math.min(tookMs, (this.#roundTripMs ?? tookMs) * (1 + LENGTHENS));
    return this.#own(tookMs, STEPS.up, span.calls);
  }

  /** The same for one that had a connection to itself. Those may be slow ones only: they lengthen no round trip. */
  ofLone({ sentAt, answeredAt }: Span): number | undefined {
    const tookMs = answeredAt - sentAt;
    this.#roundTripMs = Math.min(tookMs, this.#roundTripMs ?? tookMs);
    return this.#own(tookMs, STEPS.upByLone);
  }

  #own(tookMs: number, up: number, calls = 1): number | undefined {
    const commonMs = this.#commonMs ?? tookMs;
    // To where half of the calls take longer.
    this.#commonMs = Math.min(Math.max(tookMs, commonMs / STEPS.down), commonMs * up);
    const isClear = tookMs / calls < QUICK_MS || tookMs > STANDS_OUT * commonMs;
    return isClear ? (tookMs - this.roundTripMs) / calls : undefined;
  }
}
