import type { Clock } from '../clock.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Answered } from './driver.js';
import type { Group } from './group.js';
import type { KnownText } from './known-texts.js';
import type { Pace } from './pace.js';
import type { PooledConnection } from './pooled-connection.js';
import { remove } from './remove.js';

/** A call waits behind one that takes long: it may run elsewhere. Nobody outside sees this. */
export class HeldUpError extends Error {
  constructor(node: string) {
    super(`a call on ${node} waits behind another one that takes long`);
    this.name = 'HeldUpError';
  }
}

/** Beyond that share the calls of a group took it themselves. */
const WAITED_MS = 2;

interface Call {
  readonly known: KnownText;
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

  /** @param answered Told with a `HeldUpError` where the call has to run elsewhere. */
  run<R = Row>(statement: Statement, known: KnownText, answered: Answered<R>): void {
    const call: Call = { known, sentAt: this.#clock.now(), group: undefined, answered };
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
    if (group?.shareMs !== undefined) {
      // A group that had to wait for its turn on a busy server says no more than one call that had to.
      known.took(group.shareMs < WAITED_MS ? 0 : group.shareMs);
      return;
    }
    const waitedBehindAnother = sentAt < this.#answeredAt;
    const tookMs = waitedBehindAnother ? now - this.#answeredAt : this.#pace.ofFirst(now - sentAt);
    const shareMs = tookMs / (group?.size ?? 1);
    if (group) group.shareMs = shareMs;
    known.took(shareMs);
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
