import type { Role } from '../config/settings.js';
import type { QueryResult, Row, Statement } from '../query.js';

/** A physical connection for the use of one, until `release`. */
export interface Borrowed {
  readonly node: string;
  readonly role: Role;
  /**
   * Reads only, by intent, though the server would let a write pass: a replica's reads that fell back to
   * the primary. What runs here runs in a READ ONLY transaction.
   */
  readonly mustNotWrite: boolean;
  /** The `pg.Client`. */
  readonly client: unknown;
  query<R = Row>(statement: Statement): Promise<QueryResult<R>>;
  /**
   * Commits the transaction that is open on it. Where the connection breaks under that, it is found out what became of
   * it, as far as the server can tell.
   *
   * @throws ConnectionLostError where it has not been committed, or that is not known.
   */
  commit(): Promise<QueryResult>;
  /** `lost` even where the transaction that was open on it is known no more. */
  readonly state: 'idle' | 'transaction' | 'lost';
  /** Takes back what a client of an ORM has SET on it, ahead of what `client` is asked next. */
  dropSettings(): void;
  /** The session may carry traces of its user: reset it before another gets it. */
  taint(): void;
  /** Gives it back; what is left open on it is cut off. A second call does nothing. */
  release(): void;
  /** Cuts its socket: what runs on it has no use any more, and would not end soon. */
  cut(cause?: Error): void;
}

/** The same connection, whose release ends no more than one turn on it. */
export function forOneTurn(borrowed: Borrowed, release: () => void): Borrowed {
  return {
    node: borrowed.node,
    role: borrowed.role,
    mustNotWrite: false,
    client: borrowed.client,
    get state() {
      return borrowed.state;
    },
    dropSettings: () => borrowed.dropSettings(),
    query: (statement) => borrowed.query(statement),
    commit: () => borrowed.commit(),
    taint: () => borrowed.taint(),
    release,
    cut: (cause) => borrowed.cut(cause),
  };
}

/** Where connections come from: the pools by route, or one connection that a scope holds. */
export interface ConnectionSource {
  borrow(): Promise<Borrowed>;
  /**
   * The first statement of a transaction has failed there, which has been rolled back and the connection given back.
   * Resolves when another one may serve; rejects with the error where none will.
   */
  refused?(error: unknown, borrowed: Pick<Borrowed, 'node' | 'role'>): Promise<void>;
}
