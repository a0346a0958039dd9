import type { QueryResult, Row, Statement } from '../query.js';
import type { Again, Answered, DriverConnection } from './driver.js';
import { changeOfSettings } from './client-settings.js';
import type { Group } from './group.js';
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
  #isToGo = false;
  /** Of the client that used it last; undefined when that is not known. */
  #settings: string | undefined = '';

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
      const { settings = '' } = statement;
      if (settings !== this.#settings) await this.#changeSettings(settings);
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
    const ask = () => {
      this.driver.ask<R>(statement, (error, result) => {
        this.#note(statement, result);
        answered(error, result);
      });
    };
    const { settings = '' } = statement;
    if (settings === this.#settings) ask();
    else this.#changeSettings(settings).then(ask, answered);
  }

  /** Whether the session has settings of a client. */
  get hasSettings(): boolean {
    return this.#settings !== '';
  }

  /** Takes them back, ahead of what is sent past us. */
  dropSettings(): void {
    if (this.hasSettings) void this.#changeSettings('').catch(() => {});
  }

  /** It is replaced when it comes back. */
  mustGo(): void {
    this.#isToGo = true;
  }

  /** It will be reset before its next user gets it. */
  willBeReset(): void {
    this.isTainted = false;
    this.#settings = '';
  }

  async #changeSettings(wanted: string): Promise<void> {
    const change = changeOfSettings(this.#settings, wanted, this.driver.transactionStatus);
    this.#settings = change.settings;
    // The end of the transaction may or may not take them back.
    if (change.isWithinTransaction) this.isTainted = true;
    try {
      await Promise.all(change.texts.map((text) => this.driver.query(text)));
    } catch (error) {
      this.#settings = undefined;
      throw error;
    }
  }

  #note({ text }: Statement, result?: QueryResult): void {
    if (result && this.isTainted && this.hasSettings && rollsBack(result)) this.#settings = undefined;
    // Of several statements of which one failed, the first may have done their work.
    if (result ? leavesTraces(result) : text.includes(';')) this.isTainted = true;
  }

  /** As `query`, but many at a time. */
  pipeline<R = Row>(
    statement: Statement,
    known: KnownText,
    answered: Answered<R>,
    again: Again,
  ): Group | undefined {
    const told: Answered<R> = (error, result) => {
      if (result && leavesTraces(result)) this.isTainted = true;
      answered(error, result);
    };
    return this.driver.pipeline<R>(statement, known, told, again);
  }

  get isIdleInTransaction(): boolean {
    return !this.driver.isBusy && this.driver.transactionStatus !== 'I';
  }

  /** What forbids that anybody else gets it, if anything does. */
  get unfitBecause(): CloseReason | undefined {
    if (this.driver.isLost) return 'lost';
    if (this.driver.isBusy) return 'busy';
    if (this.#isToGo) return 'retired';
    return this.driver.transactionStatus === 'I' ? undefined : 'open-transaction';
  }
}

/** Also to a savepoint. */
function rollsBack(result: QueryResult): boolean {
  return Array.isArray(result) ? result.some(rollsBack) : result.command === 'ROLLBACK';
}

/** The tag of `CREATE TABLE … AS` and `SELECT … INTO` is SELECT too, but they return no columns. */
function leavesTraces(result: QueryResult): boolean {
  if (Array.isArray(result) || LEAVES_TRACES.has(result.command)) return true;
  return result.command === 'SELECT' && result.fields.length === 0;
}
