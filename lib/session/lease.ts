import type { Role } from '../config/settings.js';
import { toStatement, type Queryable, type QueryResult, type Row, type Statement } from '../query.js';
import type { Borrowed } from './borrowed.js';

/** The connection of a lease, to look at and not to use; `over` when it was given back by other means than a release. */
export interface LeasedConnection {
  readonly client: unknown;
  readonly state: Borrowed['state'] | 'over';
}

/** What a lease is made of. */
export interface LeaseParts {
  readonly node: string;
  readonly role: Role;
  readonly connection: LeasedConnection;
  /** The `pg.Client`, for a user who will do with it what nobody here sees. */
  takeClient(): unknown;
  query(statement: Statement): Promise<QueryResult>;
  release(): Promise<void>;
}

/**
 * A connection to have and to give back: `await using lease = await cluster.getConnection()`, or
 * `release()` in a `finally`. Inside a transaction it joins that, and giving it back changes nothing.
 */
export class Lease implements Queryable, AsyncDisposable {
  readonly #parts: LeaseParts;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
  }

  /** The name of the node it is connected to. */
  get node(): string {
    return this.#parts.node;
  }

  get role(): Role {
    return this.#parts.role;
  }

  /** @internal To look at and listen to; who uses the client takes it by `client`. */
  get connection(): LeasedConnection {
    return this.#parts.connection;
  }

  /** The `pg.Client`, for what only `pg` speaks: notifications, COPY streams, cursors. Not after `release`. */
  get client(): unknown {
    return this.#parts.takeClient();
  }

  /** @throws PgMcpError `LEASE_RELEASED` after `release`. */
  async query<R = Row>(statement: string | Statement, values?: readonly unknown[]): Promise<QueryResult<R>> {
    return this.#parts.query(toStatement(statement, values)) as Promise<QueryResult<R>>;
  }

  /** Waits for what runs on it, takes the session back to how it began, gives it back. Again: does nothing. */
  release(): Promise<void> {
    return this.#parts.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
