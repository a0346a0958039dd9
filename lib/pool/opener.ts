import type { Clock } from '../clock.js';
import { ConnectError } from '../errors.js';
import { Backoff } from './backoff.js';
import type { ConnectOptions, Driver, DriverConnection } from './driver.js';

export interface OpenerOptions {
  readonly node: string;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: () => number;
  /** Asked for each connection: the account follows the role the node holds at that moment. */
  readonly connectOptions: () => ConnectOptions;
}

export interface OpenerListener {
  failed(cause: unknown): void;
  /** An attempt was given up on purpose, or it is time for the next one after a failure. */
  due(): void;
}

/** A server that comes back is not stormed: opening costs it a process and an authentication. */
export const MOST_AT_ONCE = 4;

/** Opens connections to one node, few at a time, and holds back while that fails. */
export class Opener {
  readonly #options: OpenerOptions;
  readonly #listener: OpenerListener;
  readonly #backoff: Backoff;
  /** Aborts the attempts under way. */
  #attempts = new AbortController();
  #connecting = 0;
  #lastFailure: unknown;

  constructor(options: OpenerOptions, listener: OpenerListener) {
    this.#options = options;
    this.#listener = listener;
    this.#backoff = new Backoff(options.clock, options.random);
  }

  /** Attempts under way. */
  get connecting(): number {
    return this.#connecting;
  }

  /** Why the latest attempt failed, until one succeeds. */
  get lastFailure(): unknown {
    return this.#lastFailure;
  }

  /**
   * A few attempts at a time; while it fails one, and none before its turn; but with nothing open an attempt is all
   * there is for those who wait.
   */
  mustHoldBack(isAnythingOpen: boolean, someoneWaits: boolean): boolean {
    if (!this.#backoff.isFailing) return this.#connecting >= MOST_AT_ONCE;
    return this.#connecting > 0 || (this.#backoff.isWaiting && (isAnythingOpen || !someoneWaits));
  }

  /**
   * @param welcome Takes the connection in, in the same breath as it ceases to count as connecting.
   * @throws ConnectError when it fails or is given up.
   */
  async open(welcome: (connection: DriverConnection) => void): Promise<void> {
    const { clock, driver, node } = this.#options;
    const { signal } = this.#attempts;
    let connection: DriverConnection;
    this.#connecting++;
    try {
      connection = await driver.connect(this.#options.connectOptions(), clock, signal);
    } catch (error) {
      this.#connecting--;
      // Given up on purpose: that says nothing of the node.
      if (signal.aborted) this.#listener.due();
      else this.#failed(error);
      throw new ConnectError(node, error);
    }
    this.#connecting--;
    this.#lastFailure = undefined;
    this.#backoff.succeeded();
    welcome(connection);
  }

  /** Gives up the attempts under way; new ones may follow. */
  abort(cause: Error): void {
    this.#attempts.abort(cause);
    this.#attempts = new AbortController();
  }

  /** Gives up for good. */
  stop(cause: Error): void {
    this.#backoff.cancel();
    this.#attempts.abort(cause);
  }

  #failed(cause: unknown): void {
    this.#lastFailure = cause;
    this.#backoff.failed(() => this.#listener.due());
    this.#listener.failed(cause);
  }
}
