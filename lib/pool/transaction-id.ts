import { serialize } from 'pg-protocol';

/** Of the transaction itself, also within a savepoint (manual, section 9.28.9); null before it has written. */
const ID = 'SELECT pg_catalog.pg_current_xact_id_if_assigned()';
const WRITES = /^\s*(?:insert|update|delete|merge|with|call|do)\b/i;

const NAME = 'mcp_xid';
const ASK = (statement: string) =>
  Buffer.concat([serialize.bind({ statement }), serialize.execute(), serialize.sync()]);
const UNPREPARED = Buffer.concat([serialize.parse({ text: ID }), ASK('')]);
const PREPARING = Buffer.concat([serialize.parse({ name: NAME, text: ID }), ASK(NAME)]);
const PREPARED = ASK(NAME);

/** The id of the transaction that is open on a connection, as far as it has become known on the way. */
export class TransactionId {
  #xid: string | undefined;
  #wasMissed = false;
  #isPrepared = false;
  /** The text by which it is asked for alone. */
  readonly text = ID;

  get xid(): string | undefined {
    return this.#xid;
  }

  /** Something that may have written could not bring it along. */
  get isMissing(): boolean {
    return this.#xid === undefined && this.#wasMissed;
  }

  /** No transaction is open. */
  forget(): void {
    this.#xid = undefined;
    this.#wasMissed = false;
  }

  /** Whether a statement of the transaction is to bring it along. @param mayBring Not by the simple protocol. */
  isWantedWith(text: string, mayBring: boolean): boolean {
    if (this.#xid !== undefined || !WRITES.test(text)) return false;
    if (!mayBring) this.#wasMissed = true;
    return mayBring;
  }

  /** What asks for it behind a statement, in place of that one's Sync: it costs no answer of its own. */
  question(mayPrepare: boolean): Buffer {
    if (!mayPrepare) return UNPREPARED;
    return this.#isPrepared ? PREPARED : PREPARING;
  }

  /** It was answered. */
  note(xid: unknown, isPrepared: boolean): void {
    if (isPrepared) this.#isPrepared = true;
    if (typeof xid === 'string') this.#xid = xid;
  }

  /** The server has dropped what was prepared. */
  forgetPrepared(): void {
    this.#isPrepared = false;
  }
}
