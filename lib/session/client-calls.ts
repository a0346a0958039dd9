import type { QueryResult, Statement } from '../query.js';

/** A connection that one client has to itself, or a block of a transaction around it. */
export interface BoundCalls {
  /** The `pg.Client`, for what only `pg` speaks. */
  takeClient(): unknown;
  query(statement: Statement): Promise<QueryResult>;
  /** Whether it has ended by itself: the block, with its COMMIT or ROLLBACK. */
  readonly isOver: boolean;
  release(): Promise<void>;
}

/** What a client needs that decides late where it runs. Each call goes by the scope it is made in. */
export interface ClientCalls {
  /** Runs a statement that needs no connection of its own. */
  query(statement: Statement): Promise<QueryResult>;
  /** Whether a statement needs one, since others may build on what it does there. */
  mustBind(text: string): boolean;
  /** Whether it belongs to a session, and alone would be refused. */
  isOfSession(text: string): boolean;
  /** Whether what is asked for now joins a transaction, and so has its connection already. */
  isJoined(): boolean;
  /** A connection for this statement and what comes after it. */
  bind(text: string): Promise<BoundCalls>;
}
