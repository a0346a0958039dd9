import type { Clock, Timer } from '../clock.js';
import { cancel, type CancelHost } from './cancel.js';
import type { KnownText } from './known-texts.js';
import { Pace } from './pace.js';
import type { PooledConnection } from './pooled-connection.js';
import { remove } from './remove.js';
import { SharedConnection, TOGETHER } from './shared-connection.js';

/** Beyond that more connections add nothing but work for the server; and half of a pool is for those who need one alone. */
const MOST_CONNECTIONS = 4;
const MOST_IN_FLIGHT = 256;

const TICK_MS = 10;
/** The oldest call may see so many ticks beyond a round trip, and its share of the longest statement. */
const PATIENCE_TICKS = 3;
/** Beyond the time-out of the server: then its answer will never come. */
const GUARD_MS = 2_000;

/** What the lane needs of its pool. */
export interface LaneHost extends CancelHost {
  /** Callers who wait for a connection to themselves. */
  readonly pending: number;
  /** One that is as its session began. */
  takeIdlePlain(): PooledConnection | undefined;
  /** Opens one more, where there is room; nobody waits for it. */
  openAnother(): void;
  /** It is to be replaced. */
  isDue(connection: PooledConnection): boolean;
}

export interface SharedLaneOptions {
  readonly node: string;
  readonly clock: Clock;
  readonly maxConnections: number;
  /** 0: none. */
  readonly statementTimeoutMs: number;
}

/**
 * The connections of one node that many reads share at a time, each read behind the other without waiting for its
 * answer. A connection is here for as long as calls are on it; then it goes back to the pool.
 */
export class SharedLane {
  readonly #options: SharedLaneOptions;
  readonly #host: LaneHost;
  readonly #most: number;
  readonly #pace = new Pace();
  readonly #connections: SharedConnection[] = [];
  /** They get no more calls: their oldest takes long, or the pool wants them back. */
  readonly #leaving = new Set<SharedConnection>();
  #last: SharedConnection | undefined;
  #watch: Timer | undefined;
  #wasUsed = false;

  constructor(options: SharedLaneOptions, host: LaneHost) {
    this.#options = options;
    this.#host = host;
    this.#most = Math.min(MOST_CONNECTIONS, Math.floor(options.maxConnections / 2));
  }

  /** Connections here. */
  get size(): number {
    return this.#connections.length + this.#leaving.size;
  }

  /** Calls under way. */
  get inFlight(): number {
    let calls = 0;
    for (const connection of this.#connections) calls += connection.inFlight;
    for (const connection of this.#leaving) calls += connection.inFlight;
    return calls;
  }

  /** A quick call goes out in one packet with others here. */
  get isGathering(): boolean {
    return this.#gathering !== undefined;
  }

  get #gathering(): SharedConnection | undefined {
    const last = this.#last;
    const takesMore =
      last !== undefined &&
      last.load < TOGETHER &&
      last.pooled.driver.isGathering &&
      this.#connections.includes(last);
    return takesMore ? last : undefined;
  }

  /** The connection for one call, to be used at once or given to `putBack`; undefined where there is none to share. */
  take(known: KnownText): SharedConnection | undefined {
    this.#last = this.#choose(known);
    return this.#last;
  }

  #choose(known: KnownText): SharedConnection | undefined {
    const least = this.#leastBusy();
    const gathering = known.isQuick ? this.#gathering : undefined;
    if (gathering) return gathering;
    const enough = known.isQuick ? TOGETHER : 1;
    if (this.#connections.length >= this.#most || (least && least.load < enough)) return bounded(least);
    if (this.#host.pending > 0) return bounded(least);
    const idle = this.#host.takeIdlePlain();
    if (idle) return this.#add(idle);
    if (least) this.#host.openAnother();
    return bounded(least);
  }

  /**
   * Takes in a connection that a call has got for itself, where there is none to share: else callers who all wait for
   * one of their own would never come to share again.
   */
  adopt(pooled: PooledConnection): SharedConnection | undefined {
    const isWanted = this.#connections.length === 0 && this.#most > 0 && !pooled.hasSettings;
    return isWanted ? this.#add(pooled) : undefined;
  }

  /** A call that may share had a connection to itself since then. */
  tookAlone(known: KnownText, sentAt: number): void {
    const span = { sentAt, answeredAt: this.#options.clock.now() };
    known.took(this.#pace.ofLone(span), span);
  }

  /** It was not the right one. */
  putBack(connection: SharedConnection): void {
    if (connection.inFlight === 0) this.#remove(connection);
  }

  #leastBusy(): SharedConnection | undefined {
    let least: SharedConnection | undefined;
    for (let i = this.#connections.length - 1; i >= 0; i--) {
      const connection = this.#connections[i];
      if (!connection) continue;
      const mustLeave = connection.pooled.driver.isLost || (i > 0 && this.#host.pending > 0);
      if (mustLeave) this.#leave(connection);
      else if (!least || connection.load < least.load) least = connection;
    }
    return least;
  }

  #leave(connection: SharedConnection): void {
    if (this.#leaving.has(connection)) return;
    remove(this.#connections, connection);
    this.#leaving.add(connection);
    if (connection.inFlight === 0) this.#remove(connection);
  }

  #add(pooled: PooledConnection): SharedConnection {
    const connection: SharedConnection = new SharedConnection(pooled, {
      clock: this.#options.clock,
      pace: this.#pace,
      onQuiet: () => this.#remove(connection),
    });
    this.#connections.push(connection);
    this.#wasUsed = true;
    this.#watch ??= this.#scheduleWatch();
    return connection;
  }

  #remove(connection: SharedConnection): void {
    if (!this.#leaving.delete(connection)) remove(this.#connections, connection);
    this.#host.release(connection.pooled);
  }

  #scheduleWatch(): Timer {
    return this.#options.clock.setTimer(() => this.#look(), TICK_MS, true);
  }

  /** Goes on for as long as the lane is in use: one that is used now and then would set a timer with each call. */
  #look(): void {
    const goesOn = this.#wasUsed || this.size > 0;
    this.#wasUsed = false;
    this.#watch = goesOn ? this.#scheduleWatch() : undefined;
    const { node, statementTimeoutMs } = this.#options;
    const patience = PATIENCE_TICKS + Math.ceil(this.#pace.roundTripMs / TICK_MS);
    const limitMs = statementTimeoutMs === 0 ? Infinity : statementTimeoutMs + GUARD_MS;
    // Those that leave for another reason may be held up as well.
    for (const connection of [...this.#connections, ...this.#leaving]) {
      const ticks = connection.tick();
      const isHeldUp = ticks >= patience;
      if (isHeldUp || this.#host.isDue(connection.pooled)) this.#leave(connection);
      if (isHeldUp && connection.sendOthersElsewhere(node)) cancel(connection.pooled, this.#host);
      if (ticks * TICK_MS >= limitMs)
        connection.pooled.driver.destroy(new Error(`no answer ${GUARD_MS} ms after statement_timeout`));
    }
  }

  /** New calls get other connections. */
  retire(): void {
    for (const connection of this.#connections.slice()) this.#leave(connection);
  }

  /** The pool is closed. */
  stop(): void {
    this.retire();
    this.#watch?.cancel();
  }
}

function bounded(connection: SharedConnection | undefined): SharedConnection | undefined {
  return connection && connection.inFlight < MOST_IN_FLIGHT ? connection : undefined;
}
