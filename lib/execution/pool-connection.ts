import type { Clock } from '../clock.js';
import type { Role } from '../config/settings.js';
import { ConnectionLostError } from '../errors.js';
import type { TransactionStatus } from '../pool/driver.js';
import type { NodePool } from '../pool/node-pool.js';
import type { PooledConnection } from '../pool/pooled-connection.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Borrowed } from '../session/borrowed.js';
import type { CommitOutcomes } from './commit-outcomes.js';
import type { Tally } from './tally.js';

export interface PoolConnectionParts {
  readonly connection: PooledConnection;
  readonly pool: NodePool;
  readonly clock: Clock;
  readonly tally: Tally;
  readonly outcomes: CommitOutcomes;
}

/** Who is told what a connection is used for. */
export interface Onlooker {
  sends(text: string): void;
  released(): void;
}

/** A connection out of a node's pool, with what routing said of it. */
export class PoolConnection implements Borrowed {
  readonly #connection: PooledConnection;
  readonly #pool: NodePool;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #outcomes: CommitOutcomes;
  #onlooker: Onlooker | undefined;
  #isReleased = false;

  constructor(
    readonly node: string,
    readonly role: Role,
    readonly mustNotWrite: boolean,
    { connection, pool, clock, tally, outcomes }: PoolConnectionParts,
  ) {
    this.#connection = connection;
    this.#pool = pool;
    this.#clock = clock;
    this.#tally = tally;
    this.#outcomes = outcomes;
  }

  get client(): unknown {
    return this.#connection.driver.client;
  }

  get state(): Borrowed['state'] {
    const { isLost, transactionStatus } = this.#connection.driver;
    if (isLost) return 'lost';
    return transactionStatus === 'I' ? 'idle' : 'transaction';
  }

  dropSettings(): void {
    this.#connection.dropSettings();
  }

  get transactionStatus(): TransactionStatus {
    return this.#connection.driver.transactionStatus;
  }

  watchedBy(onlooker: Onlooker): void {
    this.#onlooker = onlooker;
  }

  query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    this.#onlooker?.sends(statement.text);
    const result = this.#connection.query<R>(statement);
    return this.#tally.observers.size === 0 ? result : this.#observe(result);
  }

  async commit(): Promise<QueryResult> {
    const { node } = this;
    const timeline = this.#outcomes.timelineOf(node);
    const sentAt = this.#clock.now();
    this.#onlooker?.sends('COMMIT');
    let xid: string | undefined;
    const running = this.#connection.commit((noted) => (xid = noted));
    try {
      return await (this.#tally.observers.size === 0 ? running : this.#observe(running));
    } catch (error) {
      if (!(error instanceof ConnectionLostError) || error.outcome !== 'unknown') throw error;
      this.release();
      return this.#outcomes.settle(error, { node, xid, timeline, sentAt });
    }
  }

  taint(): void {
    this.#connection.isTainted = true;
  }

  release(): void {
    // The second time it may be somebody else's.
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#pool.release(this.#connection);
    this.#onlooker?.released();
  }

  cut(cause?: Error): void {
    this.#connection.driver.destroy(cause);
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
