import type { Clock } from '../clock.js';
import type { CloseReason, PooledConnection } from './pooled-connection.js';

/** What is done to a connection between two callers: take its session back, or ask whether it lives. */
export type Attention = 'reset' | 'ping';

/** Works on connections that nobody else can have meanwhile. */
export class Caretaker {
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #attended = new Map<PooledConnection, Attention>();

  /** @param patienceMs A connection that gives no answer for so long is cut. */
  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  get size(): number {
    return this.#attended.size;
  }

  /** Those that will be free within a round trip; a ping may be on its way into a black hole. */
  get resetting(): number {
    return [...this.#attended.values()].filter((attention) => attention === 'reset').length;
  }

  /** @param handBack Gets it when the work is over, with what went wrong; not after `giveUp`. */
  async attend(
    connection: PooledConnection,
    attention: Attention,
    handBack: (failure: CloseReason | undefined) => void,
  ): Promise<void> {
    const { driver } = connection;
    this.#attended.set(connection, attention);
    const patience = this.#clock.setTimer(() => driver.destroy(), this.#patienceMs, true);
    let failure: CloseReason | undefined;
    try {
      await (attention === 'reset' ? driver.reset() : driver.query('SELECT 1'));
      connection.aliveAt = this.#clock.now();
    } catch {
      failure = attention === 'ping' || driver.isLost ? 'lost' : 'reset-failed';
      driver.destroy();
    }
    patience.cancel();
    if (this.#attended.delete(connection)) handBack(failure);
  }

  /** Lets go of all it works on, and gives them out. */
  giveUp(): readonly PooledConnection[] {
    const connections = [...this.#attended.keys()];
    this.#attended.clear();
    return connections;
  }
}
