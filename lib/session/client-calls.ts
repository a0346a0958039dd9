import type { QueryResult, Statement } from '../query.js';

/** A connection that one client has to itself, or a block of a transaction around it. */
export interface BoundCalls {
  /** It was chosen for reading: what writes needs another. */
  readonly isForReads: boolean;
  /** `over`: its transaction is, and nothing can come after it. */
  readonly state: 'idle' | 'transaction' | 'lost' | 'over';
  /** The `pg.Client`, to look at and listen to; a block has none to show. */
  readonly client: unknown;
  /** The `pg.Client`, for what only `pg` speaks. */
  takeClient(): Promise<unknown>;
  query(statement: Statement): Promise<QueryResult>;
  release(): Promise<void>;
}

/**
 * What of a statement others of the same client may build on: what it has written (`lastval()`), settings that can be
 * set elsewhere too, a transaction, or what only that server session has (LISTEN, a temporary table, an advisory lock).
 */
export type Legacy = 'nothing' | 'data' | 'settings' | 'transaction' | 'session';

export type Bind = (text: string) => Promise<BoundCalls>;

/** What a client needs that decides late where it runs. Each call goes by the scope it is made in. */
export interface ClientCalls {
  /** Runs a statement that needs no connection of its own. */
  query(statement: Statement): Promise<QueryResult>;
  legacyOf(text: string): Legacy;
  /** The names of the settings that a text of that legacy changes: what changes the same stands in for it. */
  settingsIn(text: string): string;
  /** Whether it belongs to a session, and alone would be refused. */
  isOfSession(text: string): boolean;
  /** Whether a backslash in a text stands for itself, as far as is known: `standard_conforming_strings`. */
  hasStandardStrings(): boolean;
  /** Whether what is asked for now joins a transaction, and so has its connection already. */
  isJoined(): boolean;
  /**
   * What finds a connection for a statement and those after it. To be asked for in the turn of who calls, whom leak
   * detection tells of.
   */
  binder(): Bind;
}
