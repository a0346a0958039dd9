import type { Clock } from '../clock.js';
import { describeError } from '../errors.js';
import type { ConnectOptions, Driver, DriverConnection } from '../pool/driver.js';
import type { Observation } from './observation.js';
import { probe } from './probe.js';

/**
 * Probes one node over a connection of its own, so that a full pool never looks like a dead server.
 * A probe that gets no answer in time cuts that connection; the next one opens another.
 */
export class Prober {
  readonly #clock: Clock;
  readonly #driver: Driver;
  readonly #options: ConnectOptions;
  readonly #timeoutMs: number;
  readonly #onLost: (cause: string) => void;
  readonly #stopping = new AbortController();
  #connection: DriverConnection | undefined;

  constructor(
    clock: Clock,
    driver: Driver,
    options: ConnectOptions,
    { timeoutMs, onLost }: { timeoutMs: number; onLost: (cause: string) => void },
  ) {
    this.#clock = clock;
    this.#driver = driver;
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#onLost = onLost;
  }

  /** Never rejects: a failure is an observation too. */
  async probe(): Promise<Observation> {
    const { node } = this.#options;
    const startedAt = this.#clock.now();
    const late = new Error(`no answer to a probe within ${this.#timeoutMs} ms`);
    let isLate = false;
    const timeout = this.#clock.setTimer(() => {
      isLate = true;
      this.#connection?.destroy(late);
    }, this.#timeoutMs);
    try {
      const connection = await this.#open();
      // Nothing would end a question asked after that.
      if (isLate) throw late;
      const facts = await probe(connection);
      return { kind: 'probed', node, startedAt, endedAt: this.#clock.now(), facts };
    } catch (error) {
      this.#connection?.destroy();
      this.#connection = undefined;
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      return { kind: 'probe-failed', node, at: this.#clock.now(), cause: describeError(cause) };
    } finally {
      timeout.cancel();
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the monitor stops'));
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection?.isBusy) connection.destroy();
    else if (connection && !connection.isLost) await connection.end();
  }

  async #open(): Promise<DriverConnection> {
    if (this.#connection?.isLost) this.#connection = undefined;
    if (this.#connection) return this.#connection;
    const connection = await this.#driver.connect(this.#options, this.#clock, this.#stopping.signal);
    if (this.#stopping.signal.aborted) connection.destroy();
    connection.listen({
      lost: (cause) => {
        // Under a probe, its failure says the same.
        if (!connection.isBusy) this.#onLost(describeError(cause));
      },
      role: () => {},
    });
    this.#connection = connection;
    return connection;
  }
}
