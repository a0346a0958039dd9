import type { Clock } from '../clock.js';
import { describeError } from '../errors.js';
import type { ConnectOptions, Driver, DriverConnection } from '../pool/driver.js';
import type { Observation } from './observation.js';
import { probe } from './probe.js';

export interface ProberOptions {
  readonly timeoutMs: number;
  readonly onLost: (cause: string) => void;
}

/** A connection for probes, and since when it is open. */
interface Kept {
  readonly connection: DriverConnection;
  readonly openedAt: number;
}

/**
 * Probes one node over a connection of its own, so that a full pool never looks like a dead server. While a probe
 * hangs, others may begin, each over another connection; of those that were answered one is kept for the next.
 * A probe that gets no answer in time cuts its connection.
 */
export class Prober {
  readonly #clock: Clock;
  readonly #driver: Driver;
  readonly #connect: ConnectOptions;
  readonly #options: ProberOptions;
  readonly #stopping = new AbortController();
  readonly #probing = new Set<Kept>();
  #kept: Kept | undefined;
  #isRenewing = false;

  constructor(clock: Clock, driver: Driver, connect: ConnectOptions, options: ProberOptions) {
    this.#clock = clock;
    this.#driver = driver;
    this.#connect = connect;
    this.#options = options;
  }

  /** Never rejects: a failure is an observation too. */
  async probe(): Promise<Observation> {
    const { node } = this.#connect;
    const { timeoutMs } = this.#options;
    const startedAt = this.#clock.now();
    const late = new Error(`no answer to a probe within ${timeoutMs} ms`);
    let isLate = false;
    let using = this.#take();
    const timeout = this.#clock.setTimer(() => {
      isLate = true;
      using?.connection.destroy(late);
    }, timeoutMs);
    try {
      using ??= this.#used(await this.#open());
      // Nothing would end a question asked after that.
      if (isLate) throw late;
      const facts = await probe(using.connection);
      this.#keep(using);
      return { kind: 'probed', node, startedAt, endedAt: this.#clock.now(), facts };
    } catch (error) {
      using?.connection.destroy();
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      return { kind: 'probe-failed', node, startedAt, at: this.#clock.now(), cause: describeError(cause) };
    } finally {
      if (using) this.#probing.delete(using);
      timeout.cancel();
    }
  }

  /**
   * Has the probes to come use a new connection, where the one they have is older: the name may lead to another
   * address now, while the server at the former one lives on.
   */
  renew(olderThanMs: number): void {
    const due = this.#kept && this.#clock.now() - this.#kept.openedAt >= olderThanMs;
    if (!due || this.#isRenewing) return;
    this.#isRenewing = true;
    // Where it can't be opened, the one there is serves on.
    this.#open()
      .then((fresh) => this.#replace(fresh))
      .catch(() => {})
      .finally(() => (this.#isRenewing = false));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the monitor stops'));
    for (const { connection } of this.#probing) connection.destroy();
    const kept = this.#take();
    if (kept) await kept.connection.end();
  }

  #take(): Kept | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    return kept && !kept.connection.isLost ? this.#used(kept) : undefined;
  }

  #used(kept: Kept): Kept {
    this.#probing.add(kept);
    return kept;
  }

  #keep(answered: Kept): void {
    if (this.#kept && !this.#kept.connection.isLost) this.#let(answered);
    else this.#kept = answered;
  }

  #replace(fresh: Kept): void {
    const former = this.#kept;
    this.#kept = fresh;
    if (former) this.#let(former);
  }

  #let({ connection }: Kept): void {
    if (!connection.isLost) connection.end().catch(() => {});
  }

  async #open(): Promise<Kept> {
    const connection = await this.#driver.connect(this.#connect, this.#clock, this.#stopping.signal);
    if (this.#stopping.signal.aborted) connection.destroy();
    connection.listen({
      lost: (cause) => {
        // Under a probe, its failure says the same.
        if (!connection.isBusy) this.#options.onLost(describeError(cause));
      },
      role: () => {},
    });
    return { connection, openedAt: this.#clock.now() };
  }
}
