import type { Clock } from '../clock.js';
import type { Role } from '../config/settings.js';
import type { NodePool } from '../pool/node-pool.js';
import type { PooledConnection } from '../pool/pooled-connection.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Borrowed } from '../session/borrowed.js';
import type { Tally } from './tally.js';

/** A connection out of a node's pool, with what routing said of it. */
export class PoolConnection implements Borrowed {
  readonly #connection: PooledConnection;
  readonly #pool: NodePool;
  readonly #clock: Clock;
  readonly #tally: Tally;
  #isReleased = false;

  constructor(
    readonly node: string,
    readonly role: Role,
    readonly mustNotWrite: boolean,
    {
      connection,
      pool,
      clock,
      tally,
    }: { connection: PooledConnection; pool: NodePool; clock: Clock; tally: Tally },
  ) {
    this.#connection = connection;
    this.#pool = pool;
    this.#clock = clock;
    this.#tally = tally;
  }

  get client(): unknown {
    return this.#connection.driver.client;
  }

  query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    const result = this.#connection.query<R>(statement);
    return this.#tally.observers.size === 0 ? result : this.#observe(result);
  }

  taint(): void {
    this.#connection.isTainted = true;
  }

  release(): void {
    // The second time it may be somebody else's.
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#pool.release(this.#connection);
  }

  cut(): void {
    this.#connection.driver.destroy();
  }

  async #observe<T>(running: Promise<T>): Promise<T> {
    const began = this.#clock.now();
    const tell = (error?: unknown) =>
      this.#tally.queryEnded(this.node, this.role, this.#clock.now() - began, error);
    try {
      const result = await running;
      tell();
      return result;
    } catch (error) {
      tell(error);
      throw error;
    }
  }
}
