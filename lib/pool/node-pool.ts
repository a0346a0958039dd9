import type { Timer } from '../clock.js';
import type { PoolSettings } from '../config/settings.js';
import { AcquireTimeoutError, ConnectError, PgMcpError, type PoolCounts } from '../errors.js';
import { Caretaker, type Attention } from './caretaker.js';
import type { DriverConnection } from './driver.js';
import { Errands } from './errands.js';
import { MOST_AT_ONCE, Opener, type OpenerOptions } from './opener.js';
import { PooledConnection, type CloseReason } from './pooled-connection.js';
import { remove } from './remove.js';
import { SharedLane } from './shared-lane.js';
import { WaitingLine, type Served } from './waiting-line.js';

const HOUSEKEEPING_MS = 1_000;
const LIFETIME_JITTER = 0.1;

export interface NodePoolListener {
  /** An open connection broke by itself. */
  lost(cause: Error): void;
  connectFailed(cause: unknown): void;
  /** A pooled connection said whether its server is in hot standby. */
  role(inHotStandby: boolean): void;
}

export interface NodePoolOptions extends OpenerOptions {
  readonly settings: PoolSettings;
  readonly listener: NodePoolListener;
}

/**
 * The connections of one node. On the leased lane a caller has one to itself; the shared lane takes some of those that
 * are idle, and gives them back.
 *
 * A connection is connecting, idle, active (with a caller), attended (with the pool, which resets it or
 * asks whether it lives) or gone. `#settle` decides where one that came free goes.
 */
export class NodePool {
  /** Reads of many callers on few connections. */
  readonly shared: SharedLane;
  readonly #options: NodePoolOptions;
  readonly #opener: Opener;
  readonly #waiting: WaitingLine<PooledConnection>;
  /** A stack: the connection used last is used next, so that spare ones stay idle and are let go. */
  readonly #idle: PooledConnection[] = [];
  readonly #active: PooledConnection[] = [];
  readonly #caretaker: Caretaker;
  /** Opening, attending and closing that is under way: `close` sees it through. */
  readonly #errands = new Errands();
  readonly #closedBy = new Map<CloseReason, number>();
  #opened = 0;
  #generation = 0;
  #housekeeping: Timer | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #onDrained: (() => void) | undefined;

  constructor(options: NodePoolOptions) {
    this.#options = options;
    this.#opener = new Opener(options, {
      failed: (cause) => this.#connectFailed(cause),
      due: () => this.#openWhatIsNeeded(),
    });
    this.#waiting = new WaitingLine(options.clock);
    this.#caretaker = new Caretaker(options.clock, options.settings.connectionTimeoutMs);
    const { node, clock, settings } = options;
    this.shared = new SharedLane({ node, clock, ...settings }, this);
    this.#scheduleHousekeeping();
  }

  /** What keeps the node busy: connections in use or waited for, and each call on those that are shared. */
  get load(): number {
    return this.#active.length - this.shared.size + this.shared.inFlight + this.#waiting.length;
  }

  /** Callers who wait for a connection to themselves. */
  get pending(): number {
    return this.#waiting.length;
  }

  get counts(): PoolCounts {
    return {
      total: this.#total,
      active: this.#active.length,
      idle: this.#idle.length,
      pending: this.#waiting.length,
      max: this.#options.settings.maxConnections,
    };
  }

  /** Connections opened, and closed by reason, since the pool began. */
  get history(): { readonly opened: number; readonly closed: ReadonlyMap<CloseReason, number> } {
    return { opened: this.#opened, closed: this.#closedBy };
  }

  /** Opens the minimum; of more than a few the others follow behind. Rejects with the first failure to connect. */
  async warm(): Promise<void> {
    if (this.#isClosed) throw this.#closedError();
    const missing = this.#options.settings.minConnections - this.#total;
    const first = Math.min(Math.max(0, missing), MOST_AT_ONCE);
    await Promise.all(Array.from({ length: first }, () => this.#open()));
  }

  /** One that is open and free, to have alone until `release`; undefined when one would have to be waited for. */
  takeIdle(): PooledConnection | undefined {
    const idle = this.#idle.pop();
    if (idle) this.#active.push(idle);
    return idle;
  }

  /** The same, of those that no client has set to its needs. */
  takeIdlePlain(): PooledConnection | undefined {
    if (this.#idle.at(-1)?.hasSettings === false) return this.takeIdle();
    const place = this.#idle.findLastIndex(({ hasSettings }) => !hasSettings);
    const [idle] = place < 0 ? [] : this.#idle.splice(place, 1);
    if (idle) this.#active.push(idle);
    return idle;
  }

  /**
   * A connection to have alone until `release`.
   *
   * @throws AcquireTimeoutError when none came free within `acquire_timeout`.
   * @throws ConnectError at once when none is open and none can be opened.
   */
  acquire(timeoutMs = this.#options.settings.acquireTimeoutMs): Promise<PooledConnection> {
    return new Promise((resolve, reject) => {
      this.wait(timeoutMs, (error, connection) => (connection ? resolve(connection) : reject(error)));
    });
  }

  /** As `acquire`, told without a promise, perhaps at once. */
  wait(timeoutMs: number, served: Served<PooledConnection>): void {
    if (this.#isClosed) {
      served(this.#closedError());
      return;
    }
    const idle = this.takeIdle();
    if (idle) {
      served(undefined, idle);
      return;
    }
    const { node } = this.#options;
    const onTimeout = (elapsedMs: number) =>
      new AcquireTimeoutError(
        node,
        elapsedMs,
        this.counts,
        this.#opener.lastFailure,
        this.#active.filter((connection) => connection.isIdleInTransaction).length,
      );
    this.#waiting.join(timeoutMs, onTimeout, served);
    this.#openWhatIsNeeded();
  }

  /**
   * Gives a connection back. One with an open transaction or an unanswered statement is destroyed; one
   * that only saw an SQL error is kept.
   */
  release(connection: PooledConnection): void {
    if (!remove(this.#active, connection)) return;
    const now = this.#options.clock.now();
    connection.usedAt = connection.aliveAt = now;
    if (connection.isTainted && this.#whyNotToKeep(connection, now) === undefined) {
      connection.willBeReset();
      this.#attend(connection, 'reset');
    } else this.#settle(connection, now);
  }

  /** One that is in use is to be replaced when it comes back. */
  isDue({ expiresAt }: PooledConnection): boolean {
    return expiresAt <= this.#options.clock.now();
  }

  /** Opens one more where there is room, and nothing fails; nobody waits for it. */
  openAnother(): void {
    if (this.#isClosed || this.#opener.connecting > 0) return;
    if (this.#total >= this.#options.settings.maxConnections) return;
    if (this.#opener.mustHoldBack(true, false)) return;
    this.#open().catch(() => {});
  }

  /** Replaces every connection: idle ones now, active ones when they come back. */
  retire(): void {
    this.#generation++;
    this.shared.retire();
    for (const connection of this.#idle.splice(0)) this.#close(connection, 'retired');
  }

  /** Sends those who wait for a connection elsewhere. */
  turnAway(cause: Error): void {
    this.#waiting.turnAway(new ConnectError(this.#options.node, cause));
  }

  /** The node is not to be talked to: cuts every connection, in use or not, and turns waiters away. */
  fence(cause: Error): void {
    this.#generation++;
    this.#opener.abort(cause);
    const connections = [...this.#idle.splice(0), ...this.#active.splice(0), ...this.#caretaker.giveUp()];
    this.turnAway(cause);
    for (const connection of connections) this.#close(connection, 'fenced', cause);
  }

  /** Refuses newcomers, waits up to `drainMs` for active connections to come back, then cuts them. */
  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#shutDown(drainMs);
    return this.#closing;
  }

  async #shutDown(drainMs: number): Promise<void> {
    this.#isClosed = true;
    this.shared.stop();
    this.#housekeeping?.cancel();
    this.#opener.stop(this.#closedError());
    this.#waiting.turnAway(this.#closedError());
    for (const connection of this.#idle.splice(0)) this.#close(connection, 'shutdown');
    // Nobody has these, and their answer is of no use any more.
    for (const connection of this.#caretaker.giveUp()) this.#cut(connection);
    await this.#drain(drainMs);
    for (const connection of this.#active.slice()) this.#cut(connection);
    await this.#errands.settled();
  }

  #cut(connection: PooledConnection): void {
    remove(this.#active, connection);
    connection.driver.destroy(this.#closedError());
    this.#close(connection, 'shutdown');
  }

  get #total(): number {
    return this.#idle.length + this.#active.length + this.#caretaker.size + this.#opener.connecting;
  }

  /** Opens connections for those who wait and for the minimum, within the maximum; one at a time while it fails. */
  #openWhatIsNeeded(): void {
    const { minConnections, maxConnections } = this.#options.settings;
    while (!this.#isClosed && this.#total < maxConnections) {
      const someoneWaits = this.#waiting.length > this.#opener.connecting + this.#caretaker.resetting;
      if (!someoneWaits && this.#total >= minConnections) return;
      if (this.#opener.mustHoldBack(this.#total > 0, someoneWaits)) return;
      // The failure reaches those who wait and the listener; there is nobody else to tell.
      this.#open().catch(() => {});
    }
  }

  #open(): Promise<void> {
    const generation = this.#generation;
    return this.#errands.add(this.#opener.open((connection) => this.#welcome(connection, generation)));
  }

  #welcome(connection: DriverConnection, generation: number): void {
    const { clock, settings, random, listener } = this.#options;
    const now = clock.now();
    const expiresAt = now + settings.maxLifetimeMs * (1 - LIFETIME_JITTER * random());
    const pooled = new PooledConnection(connection, expiresAt, generation, now);
    this.#opened++;
    connection.listen({
      lost: (cause) => this.#lost(pooled, cause),
      role: (standby) => listener.role(standby),
    });
    this.#settle(pooled);
    // While it failed one was tried at a time: the others who wait are due now, and the rest of the minimum.
    this.#openWhatIsNeeded();
  }

  #connectFailed(cause: unknown): void {
    this.#options.listener.connectFailed(cause);
    // With nothing open there is nothing to wait for: the caller can try another node at once.
    if (this.#total === 0) this.#waiting.turnAway(new ConnectError(this.#options.node, cause));
  }

  #lost(connection: PooledConnection, cause: Error): void {
    if (remove(this.#idle, connection)) this.#close(connection, 'lost');
    this.#options.listener.lost(cause);
  }

  #whyNotToKeep(connection: PooledConnection, now: number): CloseReason | undefined {
    if (connection.unfitBecause) return connection.unfitBecause;
    if (this.#isClosed) return 'shutdown';
    if (connection.generation !== this.#generation) return 'retired';
    return connection.expiresAt <= now ? 'lifetime' : undefined;
  }

  /** A connection came free: to the one who waits longest, to the idle ones, or away. */
  #settle(connection: PooledConnection, now = this.#options.clock.now()): void {
    const reason = this.#whyNotToKeep(connection, now);
    if (reason) this.#close(connection, reason);
    else if (this.#waiting.length > 0) {
      this.#active.push(connection);
      this.#waiting.serve(connection);
    } else {
      // In the order of use: one that was only asked whether it lives stays as spare as it was.
      const place = this.#idle.findLastIndex((other) => other.usedAt <= connection.usedAt) + 1;
      this.#idle.splice(place, 0, connection);
    }
  }

  #attend(connection: PooledConnection, attention: Attention): void {
    const handBack = (failure: CloseReason | undefined) =>
      failure ? this.#close(connection, failure) : this.#settle(connection);
    void this.#errands.add(this.#caretaker.attend(connection, attention, handBack));
  }

  #close(connection: PooledConnection, reason: CloseReason, cause?: Error): void {
    this.#closedBy.set(reason, (this.#closedBy.get(reason) ?? 0) + 1);
    const needsCut = reason === 'open-transaction' || reason === 'busy' || reason === 'fenced';
    if (needsCut) connection.driver.destroy(cause);
    if (!connection.driver.isLost) void this.#errands.add(connection.driver.end());
    if (this.#active.length === 0) this.#onDrained?.();
    this.#openWhatIsNeeded();
  }

  #drain(drainMs: number): Promise<void> {
    if (this.#active.length === 0) return Promise.resolve();
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

  /** Lets go of what is old or spare and asks the quiet ones whether they live, those used least recently first. */
  #keepHouse(): void {
    const { clock, settings } = this.#options;
    const now = clock.now();
    let spare = this.#total - settings.minConnections;
    for (const connection of this.#idle.slice()) {
      const isSpare = spare > 0 && now - connection.usedAt >= settings.idleTimeoutMs;
      const reason = isSpare ? 'idle' : this.#whyNotToKeep(connection, now);
      const isQuiet = now - connection.aliveAt >= settings.keepaliveIntervalMs;
      if (!reason && !isQuiet) continue;
      // Out of reach first: what is worked on can't be borrowed meanwhile.
      remove(this.#idle, connection);
      if (reason) {
        spare--;
        this.#close(connection, reason);
      } else this.#attend(connection, 'ping');
    }
    this.#openWhatIsNeeded();
  }
}
