import type { QueryResult, Row, Statement } from '../query.js';
import type { Answered, DriverConnection } from './driver.js';
import type { KnownText } from './known-texts.js';

/** Commands that leave something behind in the session (manual, section 54.2.5 and the reference pages). */
const LEAVES_TRACES = new Set([
  'SET',
  'RESET',
  'LISTEN',
  'UNLISTEN',
  'PREPARE',
  'DEALLOCATE',
  'DECLARE',
  'LOAD',
  'CREATE',
]);

/** Why a connection was closed: the label of `db_connections_closed_total`. */
export type CloseReason =
  | 'idle'
  | 'lifetime'
  | 'lost'
  | 'open-transaction'
  | 'busy'
  | 'reset-failed'
  | 'retired'
  | 'fenced'
  | 'shutdown';

/** A connection with what the pool remembers of it. */
export class PooledConnection {
  /** When its last user gave it back: milliseconds of the clock. */
  usedAt: number;
  /** When the server last answered on it. */
  aliveAt: number;
  /** Session state may have been left behind: reset before the next user gets it. */
  isTainted = false;

  constructor(
    readonly driver: DriverConnection,
    readonly expiresAt: number,
    /** The pool's count of retirements when this was opened. */
    readonly generation: number,
    now: number,
  ) {
    this.usedAt = now;
    this.aliveAt = now;
  }

  async query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    try {
      const result = await this.driver.query<R>(statement);
      this.#note(statement, result);
      return result;
    } catch (error) {
      this.#note(statement);
      throw error;
    }
  }

  commit(noted: (xid: string) => void): Promise<QueryResult> {
    return this.driver.commit(noted);
  }

  /** As `query`, told without a promise. */
  ask<R = Row>(statement: Statement, answered: Answered<R>): void {
    this.driver.ask<R>(statement, (error, result) => {
      this.#note(statement, result);
      answered(error, result);
    });
  }

  #note({ text }: Statement, result?: QueryResult): void {
    // Of several statements of which one failed, the first may have done their work.
    if (result ? leavesTraces(result) : text.includes(';')) this.isTainted = true;
  }

  /** As `query`, but many at a time. */
  pipeline<R = Row>(statement: Statement, known: KnownText, answered: Answered<R>): void {
    this.driver.pipeline<R>(statement, known, (error, result) => {
      if (result && leavesTraces(result)) this.isTainted = true;
      answered(error, result);
    });
  }

  /** What forbids that anybody else gets it, if anything does. */
  get unfitBecause(): CloseReason | undefined {
    if (this.driver.isLost) return 'lost';
    if (this.driver.isBusy) return 'busy';
    return this.driver.transactionStatus === 'I' ? undefined : 'open-transaction';
  }
}

/** The tag of `CREATE TABLE … AS` and `SELECT … INTO` is SELECT too, but they return no columns. */
function leavesTraces(result: QueryResult): boolean {
  if (Array.isArray(result) || LEAVES_TRACES.has(result.command)) return true;
  return result.command === 'SELECT' && result.fields.length === 0;
}
