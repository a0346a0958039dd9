import type { Clock, Timer } from '../clock.js';
import type { PoolSettings } from '../config/settings.js';
import { AcquireTimeoutError, ConnectError, PgMcpError, type PoolCounts } from '../errors.js';
import { Backoff } from './backoff.js';
import type { ConnectOptions, Driver } from './driver.js';
import { PooledConnection, type CloseReason } from './pooled-connection.js';
import { WaitingLine } from './waiting-line.js';

const HOUSEKEEPING_MS = 1_000;
const LIFETIME_JITTER = 0.1;

export interface NodePoolListener {
  /** An open connection broke by itself. */
  lost(cause: Error): void;
  connectFailed(cause: unknown): void;
  /** A pooled connection said whether its server is in hot standby. */
  role(inHotStandby: boolean): void;
}

export interface NodePoolOptions {
  readonly node: string;
  readonly settings: PoolSettings;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: () => number;
  readonly listener: NodePoolListener;
  /** Asked for each connection: the account follows the role the node holds at that moment. */
  readonly connectOptions: () => ConnectOptions;
}

/**
 * The connections of one node: the leased lane, where a caller has a connection to itself.
 *
 * A connection is connecting, idle, active (with a caller), attended (with the pool, which resets it or
 * asks whether it lives) or gone. `#settle` decides where one that came free goes.
 */
export class NodePool {
  readonly #options: NodePoolOptions;
  readonly #backoff: Backoff;
  readonly #waiting: WaitingLine<PooledConnection>;
  /** A stack: the connection used last is used next, so that spare ones stay idle and are let go. */
  readonly #idle: PooledConnection[] = [];
  readonly #active = new Set<PooledConnection>();
  readonly #attended = new Set<PooledConnection>();
  readonly #closedBy = new Map<CloseReason, number>();
  /** Aborts the attempts to connect that are under way. */
  #opening = new AbortController();
  #connecting = 0;
  #opened = 0;
  #generation = 0;
  #lastConnectFailure: unknown;
  #housekeeping: Timer | undefined;
  #isClosed = false;
  #onDrained: (() => void) | undefined;

  constructor(options: NodePoolOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.clock, options.random);
    this.#waiting = new WaitingLine(options.clock);
    this.#scheduleHousekeeping();
  }

  get counts(): PoolCounts {
    return {
      total: this.#total,
      active: this.#active.size,
      idle: this.#idle.length,
      pending: this.#waiting.length,
      max: this.#options.settings.maxConnections,
    };
  }

  /** Connections opened, and closed by reason, since the pool began. */
  get history(): { readonly opened: number; readonly closed: ReadonlyMap<CloseReason, number> } {
    return { opened: this.#opened, closed: this.#closedBy };
  }

  /** Opens the minimum. Rejects with the first failure to connect. */
  async warm(): Promise<void> {
    const missing = this.#options.settings.minConnections - this.#total;
    await Promise.all(Array.from({ length: Math.max(0, missing) }, () => this.#open()));
  }

  /**
   * A connection to have alone until `release`.
   *
   * @throws AcquireTimeoutError when none came free within `acquire_timeout`.
   * @throws ConnectError at once when none is open and none can be opened.
   */
  acquire(timeoutMs = this.#options.settings.acquireTimeoutMs): Promise<PooledConnection> {
    if (this.#isClosed) return Promise.reject(this.#closedError());
    const idle = this.#idle.pop();
    if (idle) {
      this.#active.add(idle);
      return Promise.resolve(idle);
    }
    const { node } = this.#options;
    const connection = this.#waiting.join(
      timeoutMs,
      (elapsedMs) => new AcquireTimeoutError(node, elapsedMs, this.counts, this.#lastConnectFailure),
    );
    this.#openWhatIsNeeded();
    return connection;
  }

  /**
   * Gives a connection back. One with an open transaction or an unanswered statement is destroyed; one
   * that only saw an SQL error is kept.
   */
  release(connection: PooledConnection): void {
    if (!this.#active.delete(connection)) return;
    connection.usedAt = connection.aliveAt = this.#options.clock.now();
    const isFit = this.#whyNotToKeep(connection) === undefined;
    if (isFit && connection.isTainted) {
      connection.isTainted = false;
      void this.#attend(connection, () => connection.driver.reset());
    } else this.#settle(connection);
  }

  /** Takes an active connection out of service at once: what runs on it fails. */
  destroy(connection: PooledConnection, reason: CloseReason): void {
    if (this.#active.delete(connection)) void this.#close(connection, reason);
  }

  /** Replaces every connection: idle ones now, active ones when they come back. */
  retire(): void {
    this.#generation++;
    for (const connection of this.#idle.splice(0)) void this.#close(connection, 'retired');
  }

  /** The node is not to be talked to: cuts every connection, in use or not, and turns waiters away. */
  fence(cause: Error): void {
    this.#generation++;
    this.#opening.abort(cause);
    this.#opening = new AbortController();
    const connections = [...this.#idle.splice(0), ...this.#active, ...this.#attended];
    this.#active.clear();
    this.#attended.clear();
    this.#waiting.turnAway(new ConnectError(this.#options.node, cause));
    for (const connection of connections) void this.#close(connection, 'fenced', cause);
  }

  /** Refuses newcomers, waits up to `drainMs` for active connections to come back, then cuts them. */
  async close(drainMs: number): Promise<void> {
    this.#isClosed = true;
    this.#housekeeping?.cancel();
    this.#backoff.cancel();
    this.#opening.abort(this.#closedError());
    this.#waiting.turnAway(this.#closedError());
    const goodbyes = this.#idle.splice(0).map((connection) => this.#close(connection, 'shutdown'));
    await this.#drain(drainMs);
    for (const connection of this.#active) {
      connection.driver.destroy(this.#closedError());
      this.destroy(connection, 'shutdown');
    }
    await Promise.all(goodbyes);
  }

  get #total(): number {
    return this.#idle.length + this.#active.size + this.#attended.size + this.#connecting;
  }

  /** Opens connections for those who wait and for the minimum, within the maximum; one at a time while it fails. */
  #openWhatIsNeeded(): void {
    const { minConnections, maxConnections } = this.#options.settings;
    while (!this.#isClosed && this.#total < maxConnections) {
      const someoneWaits = this.#waiting.length > this.#connecting + this.#attended.size;
      if (!someoneWaits && this.#total >= minConnections) return;
      if (this.#backoff.isFailing && (this.#connecting > 0 || (this.#backoff.isWaiting && !someoneWaits)))
        return;
      // The failure reaches those who wait and the listener; there is nobody else to tell.
      this.#open().catch(() => {});
    }
  }

  async #open(): Promise<void> {
    const { clock, driver, settings, random, listener, node } = this.#options;
    const generation = this.#generation;
    this.#connecting++;
    try {
      const connection = await driver.connect(this.#options.connectOptions(), clock, this.#opening.signal);
      const now = clock.now();
      const expiresAt = now + settings.maxLifetimeMs * (1 - LIFETIME_JITTER * random());
      const pooled = new PooledConnection(connection, expiresAt, generation, now);
      this.#connecting--;
      this.#opened++;
      this.#lastConnectFailure = undefined;
      this.#backoff.succeeded();
      connection.listen({
        lost: (cause) => this.#lost(pooled, cause),
        role: (standby) => listener.role(standby),
      });
      this.#settle(pooled);
    } catch (error) {
      this.#connecting--;
      this.#connectFailed(error);
      throw new ConnectError(node, error);
    }
  }

  #connectFailed(cause: unknown): void {
    this.#lastConnectFailure = cause;
    this.#options.listener.connectFailed(cause);
    if (this.#isClosed) return;
    this.#backoff.failed(() => this.#openWhatIsNeeded());
    // With nothing open there is nothing to wait for: the caller can try another node at once.
    if (this.#total === 0) this.#waiting.turnAway(new ConnectError(this.#options.node, cause));
  }

  #lost(connection: PooledConnection, cause: Error): void {
    const place = this.#idle.indexOf(connection);
    if (place >= 0) {
      this.#idle.splice(place, 1);
      void this.#close(connection, 'lost');
    }
    this.#options.listener.lost(cause);
  }

  #whyNotToKeep(connection: PooledConnection): CloseReason | undefined {
    if (connection.unfitBecause) return connection.unfitBecause;
    if (this.#isClosed) return 'shutdown';
    if (connection.generation !== this.#generation) return 'retired';
    return connection.expiresAt <= this.#options.clock.now() ? 'lifetime' : undefined;
  }

  /** A connection came free: to the one who waits longest, to the idle ones, or away. */
  #settle(connection: PooledConnection): void {
    const reason = this.#whyNotToKeep(connection);
    if (reason) void this.#close(connection, reason);
    else if (this.#waiting.length > 0) {
      this.#active.add(connection);
      this.#waiting.serve(connection);
    } else this.#idle.push(connection);
  }

  /** Works on a connection that nobody else can have meanwhile; one that doesn't answer in time is cut. */
  async #attend(connection: PooledConnection, work: () => Promise<unknown>): Promise<void> {
    const { clock, settings } = this.#options;
    this.#attended.add(connection);
    const giveUp = clock.setTimer(() => connection.driver.destroy(), settings.connectionTimeoutMs, true);
    try {
      await work();
      connection.aliveAt = clock.now();
    } catch {
      connection.driver.destroy();
    }
    giveUp.cancel();
    if (this.#attended.delete(connection)) this.#settle(connection);
  }

  #close(connection: PooledConnection, reason: CloseReason, cause?: Error): Promise<void> {
    this.#closedBy.set(reason, (this.#closedBy.get(reason) ?? 0) + 1);
    const needsCut = reason === 'open-transaction' || reason === 'busy' || reason === 'fenced';
    if (needsCut) connection.driver.destroy(cause);
    if (this.#active.size === 0) this.#onDrained?.();
    this.#openWhatIsNeeded();
    return connection.driver.isLost ? Promise.resolve() : connection.driver.end();
  }

  #drain(drainMs: number): Promise<void> {
    if (this.#active.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timeout = this.#options.clock.setTimer(resolve, drainMs);
      this.#onDrained = () => {
        timeout.cancel();
        resolve();
      };
    });
  }

  #closedError(): PgMcpError {
    return new PgMcpError('CLUSTER_CLOSED', `the pool of ${this.#options.node} is closed`, {
      safeToRetry: true,
    });
  }

  #scheduleHousekeeping(): void {
    this.#housekeeping = this.#options.clock.setTimer(
      () => {
        this.#keepHouse();
        this.#scheduleHousekeeping();
      },
      HOUSEKEEPING_MS,
      true,
    );
  }

  /** Lets go of what is old or spare and asks the quiet ones whether they live, oldest first. */
  #keepHouse(): void {
    const { clock, settings } = this.#options;
    const now = clock.now();
    let spare = this.#total - settings.minConnections;
    // Emptied first: what is worked on can't be borrowed meanwhile, and what is kept settles again.
    for (const connection of this.#idle.splice(0)) {
      if (spare > 0 && now - connection.usedAt >= settings.idleTimeoutMs) {
        spare--;
        void this.#close(connection, 'idle');
      } else if (now - connection.aliveAt >= settings.keepaliveIntervalMs)
        void this.#attend(connection, () => connection.driver.query('SELECT 1'));
      else this.#settle(connection);
    }
    this.#openWhatIsNeeded();
  }
}
