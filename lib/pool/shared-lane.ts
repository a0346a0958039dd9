import type { Clock, Timer } from '../clock.js';
import type { PooledConnection } from './pooled-connection.js';
import { SharedConnection, type Pace } from './shared-connection.js';

/** Beyond that more connections add nothing but work for the server; and half of a pool is for those who need one alone. */
const MOST_CONNECTIONS = 4;
const MOST_IN_FLIGHT = 256;

const TICK_MS = 10;
/** The oldest call may see so many ticks beyond a round trip, and its share of the longest statement. */
const PATIENCE_TICKS = 3;
/** Beyond the time-out of the server: then its answer will never come. */
const GUARD_MS = 2_000;

/** What the lane needs of its pool. */
export interface LaneHost {
  /** Callers who wait for a connection to themselves. */
  readonly pending: number;
  takeIdle(): PooledConnection | undefined;
  release(connection: PooledConnection): void;
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
  readonly #pace: Pace = { roundTripMs: undefined };
  readonly #connections: SharedConnection[] = [];
  /** They get no more calls: their oldest takes long, or the pool wants them back. */
  readonly #leaving = new Set<SharedConnection>();
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

  /** What the quickest answers of late took; 0 while there was none. */
  get roundTripMs(): number {
    return this.#pace.roundTripMs ?? 0;
  }

  /** Calls under way. */
  get inFlight(): number {
    let calls = 0;
    for (const connection of this.#connections) calls += connection.inFlight;
    for (const connection of this.#leaving) calls += connection.inFlight;
    return calls;
  }

  /** The connection for one call, to be used at once or given to `putBack`; undefined where there is none to share. */
  take(): SharedConnection | undefined {
    const least = this.#leastBusy();
    if (least?.inFlight === 0 || this.#connections.length >= this.#most) return bounded(least);
    if (this.#host.pending > 0) return bounded(least);
    const idle = this.#host.takeIdle();
    if (idle) return this.#add(idle);
    if (least) this.#host.openAnother();
    return bounded(least);
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
      if (mustLeave) this.#leave(i, connection);
      else if (!least || connection.inFlight < least.inFlight) least = connection;
    }
    return least;
  }

  #leave(place: number, connection: SharedConnection): void {
    this.#connections.splice(place, 1);
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
    if (!this.#leaving.delete(connection)) {
      this.#connections.splice(this.#connections.indexOf(connection), 1);
    }
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
    const patience = PATIENCE_TICKS + Math.ceil(this.roundTripMs / TICK_MS);
    for (const connection of this.#connections.slice()) {
      const isHeldUp = connection.tick() >= patience;
      if (!isHeldUp && !this.#host.isDue(connection.pooled)) continue;
      this.#leave(this.#connections.indexOf(connection), connection);
      if (isHeldUp) connection.sendOthersElsewhere(node);
    }
    if (statementTimeoutMs === 0) return;
    for (const connection of this.#leaving) {
      if (connection.tick() * TICK_MS < statementTimeoutMs + GUARD_MS) continue;
      connection.pooled.driver.destroy(new Error(`no answer ${GUARD_MS} ms after statement_timeout`));
    }
  }

  /** New calls get other connections. */
  retire(): void {
    for (const connection of this.#connections.slice()) this.#leave(0, connection);
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
