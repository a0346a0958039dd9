import type { Clock } from '../clock.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Answered } from './driver.js';
import type { Group } from './group.js';
import { QUICK_MS, type KnownText } from './known-texts.js';
import type { Pace, Span } from './pace.js';
import type { PooledConnection } from './pooled-connection.js';
import { remove } from './remove.js';

/** A call waits behind one that takes long: it may run elsewhere. Nobody outside sees this. */
export class HeldUpError extends Error {
  constructor(node: string) {
    super(`a call on ${node} waits behind another one that takes long`);
    this.name = 'HeldUpError';
  }
}

/** Of those that are answered together, where what they took is theirs, and where they may have waited. */
const LONG_MS = { clear: 2, unclear: 5 };

/** So many quick calls may be on a connection before another one is taken; one that is not quick counts as many. */
export const TOGETHER = 8;

interface Call {
  readonly known: KnownText;
  readonly weight: number;
  sentAt: number;
  /** Those it is answered together with. */
  group: Group | undefined;
  /** Undefined once it runs elsewhere: its answer is of no use any more. */
  answered: Answered | undefined;
}

/** One connection that many calls share: answers come in the order in which the calls were sent. */
export class SharedConnection {
  /** On the wire, oldest first. */
  readonly #calls: Call[] = [];
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #onQuiet: () => void;
  #answeredAt = -Infinity;
  #oldest: Call | undefined;
  #ticks = 0;
  #load = 0;

  constructor(
    readonly pooled: PooledConnection,
    parts: { readonly clock: Clock; readonly pace: Pace; readonly onQuiet: () => void },
  ) {
    this.#clock = parts.clock;
    this.#pace = parts.pace;
    this.#onQuiet = parts.onQuiet;
  }

  /** Calls whose answers are to come. */
  get inFlight(): number {
    return this.#calls.length;
  }

  /** The same, as one that comes behind them may have to wait. */
  get load(): number {
    return this.#load;
  }

  /** @param answered Told with a `HeldUpError` where the call has to run elsewhere. */
  run<R = Row>(statement: Statement, known: KnownText, answered: Answered<R>): void {
    const weight = known.isQuick ? 1 : TOGETHER;
    const call: Call = { known, weight, sentAt: this.#clock.now(), group: undefined, answered };
    this.#load += weight;
    this.#calls.push(call);
    const over: Answered<R> = (error, result) => this.#over(call, error, result);
    call.group = this.pooled.pipeline<R>(statement, known, over, () => this.#goesAgain(call));
  }

  /** Behind all that was sent meanwhile, and answered by itself. */
  #goesAgain(call: Call): boolean {
    remove(this.#calls, call);
    this.#calls.push(call);
    call.group = undefined;
    call.sentAt = this.#clock.now();
    return call.answered !== undefined;
  }

  #over(call: Call, error: unknown, result: QueryResult | undefined): void {
    const now = this.#clock.now();
    this.#load -= call.weight;
    // One that could not be sent is over before those ahead of it.
    if (this.#calls[0] === call) this.#calls.shift();
    else this.#calls.splice(this.#calls.indexOf(call), 1);
    if (error === undefined) this.#measure(call, now);
    this.#answeredAt = now;
    try {
      call.answered?.(error, result);
    } finally {
      if (this.#calls.length === 0) this.#onQuiet();
    }
  }

  #measure({ known, sentAt, group }: Call, now: number): void {
    if (group?.share) {
      tell(known, group.share.ownMs, group.share.isSuspect);
      return;
    }
    const calls = group?.size ?? 1;
    const span = sentAt < this.#answeredAt ? undefined : { sentAt, answeredAt: now, calls };
    const ownMs = span ? this.#pace.ofFirst(span) : (now - this.#answeredAt) / calls;
    const tookMs = span ? now - sentAt - this.#pace.roundTripMs : now - this.#answeredAt;
    const isSuspect = calls > 1 && tookMs > (ownMs === undefined ? LONG_MS.unclear : LONG_MS.clear);
    tell(known, ownMs, isSuspect, span);
    if (!group) return;
    // One that stands out is held against one text: a stall must not turn all of its texts around.
    const isOfAll = span === undefined || (ownMs !== undefined && ownMs < QUICK_MS);
    group.share = { ownMs: isOfAll ? ownMs : undefined, isSuspect };
  }

  /**
   * To be called at regular times: how many of them the oldest call has seen since it became that. A stall of this
   * process counts as one, however long.
   */
  tick(): number {
    const [oldest] = this.#calls;
    if (oldest !== this.#oldest) this.#ticks = 0;
    this.#oldest = oldest;
    return oldest ? this.#ticks++ : 0;
  }

  /**
   * Sends those that wait behind the oldest call elsewhere; that one goes on. Where it is answered together with others,
   * each of them may be the one that takes long: all are sent elsewhere.
   *
   * @returns whether it is by this that nobody waits any more for what goes on.
   */
  sendOthersElsewhere(node: string): boolean {
    const calls = this.#calls.slice();
    const [oldest, next] = calls;
    if (!oldest) return false;
    const { group } = oldest;
    const isOneOfMany = group !== undefined && next?.group === group;
    const goesOnForNobody = isOneOfMany && oldest.answered !== undefined;
    for (const call of calls) {
      const { answered } = call;
      const isSuspect = isOneOfMany ? call.group === group && answered !== undefined : call === oldest;
      if (isSuspect) call.known.heldUpOthers();
      if (call === oldest && !isOneOfMany) continue;
      call.answered = undefined;
      answered?.(new HeldUpError(node));
    }
    return goesOnForNobody;
  }
}

function tell(known: KnownText, ownMs: number | undefined, isSuspect: boolean, span?: Span): void {
  known.took(ownMs, span);
  if (isSuspect) known.suspected();
}
