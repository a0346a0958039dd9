import type { Role } from '../config/settings.js';
import type { Consistency, QueryResult, Row, Statement } from '../query.js';

/** A call that keeps its connection for longer than one answer: a COPY, a cursor. */
export interface LongCall<T> {
  /** The statement by which its node is chosen, or the call refused. */
  readonly text: string;
  readonly consistency?: Consistency | undefined;
  /** It needs a transaction: one of its own where it joins none. */
  readonly needsTransaction?: boolean;
  /** Where it joins a transaction or session, others may run statements between those of this call. */
  readonly takesTurns?: boolean;
  /** Does what may be done again on another connection when it fails: nobody has seen anything of it yet. */
  start(connection: LongConnection): Promise<T>;
  /** Nobody waits for it any more: the client of its request has hung up. */
  abandon(): void;
}

/** The connection of a long call, until `end`. */
export interface LongConnection {
  readonly node: string;
  readonly role: Role;
  /** What it is part of: the connection, and what was begun on it, belong to that. */
  readonly joins: 'transaction' | 'session' | undefined;
  /** The `pg.Client`; not with `takesTurns`, where others use it meanwhile. */
  readonly client: unknown;
  query<R = Row>(statement: Statement): Promise<QueryResult<R>>;
  /**
   * Something runs by `client`, until the returned function is called. Otherwise the call waits for its user, and who
   * waits for the connection loses patience.
   */
  busy(): () => void;
  /** Cuts it: what runs on it would not end soon. `end` comes after it all the same. */
  cut(): void;
  /** Ends what was begun for the call, and gives the connection back. A second call does nothing. */
  end(how: 'done' | 'failed'): Promise<void>;
}

/** Long calls from one place: by the scope that was open there. */
export interface LongCalls {
  /** @throws PgMcpError where the scope forbids such a statement, before anything is waited for. */
  admit(text: string): void;
  /**
   * The connection, with what the call's `start` returned.
   *
   * @throws PgMcpError as a statement's call does.
   */
  open<T>(call: LongCall<T>): Promise<{ readonly connection: LongConnection; readonly started: T }>;
}
