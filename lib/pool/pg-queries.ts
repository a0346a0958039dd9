import pg from 'pg';
import { serialize } from 'pg-protocol';
import type { QueryResult, Statement } from '../query.js';
import type { Group, Told } from './group.js';
import type { Columns, DescribedColumns } from './pg-columns.js';
import { Query, Result, utils } from './pg-internals.js';
import type { Outbox } from './outbox.js';
import type { PreparedStatements } from './prepared-statements.js';
import type { TransactionId } from './transaction-id.js';

const EXECUTE = serialize.execute();
const DESCRIBE_AND_EXECUTE = Buffer.concat([serialize.describe({ type: 'P' }), EXECUTE]);
const SYNC = serialize.sync();
const [LAST, LAST_WITH_COLUMNS] = [
  Buffer.concat([EXECUTE, SYNC]),
  Buffer.concat([DESCRIBE_AND_EXECUTE, SYNC]),
];

/** Where a query goes: the parts of a connection that its queries use. */
export interface Line {
  readonly outbox: Outbox;
  readonly prepared: PreparedStatements;
  readonly described: DescribedColumns;
}

/** What is asked behind a statement. */
interface Companion {
  readonly of: TransactionId;
  readonly mayPrepare: boolean;
}

/** How a statement is sent. */
interface Manner {
  /** Under which it is prepared, if it is. */
  readonly name: string | undefined;
  /** Of the transaction, where the statement is to bring it along. */
  readonly id: Companion | undefined;
  /** Whether nothing else is under way on the connection. */
  readonly isAlone: boolean;
  /** Whether it may be answered together with others. */
  readonly isGrouped: boolean;
}

type Callback<R> = (error: unknown, result: QueryResult<R>) => void;

/**
 * A query of `pg` for a statement, told of by callback: it costs no promise and no copies. What `pg` would send in five
 * writes goes out in one, with what others send on the same connection in the same turn of the event loop; and the
 * columns of a prepared statement are asked for once, where one server answers all. They can't change there: it refuses
 * with `cached plan must not change result type`.
 */
export class StatementQuery<R> extends Query {
  readonly #line: Line;
  readonly #id: Companion | undefined;
  readonly #isAlone: boolean;
  readonly #isGrouped: boolean;
  #group: Group | undefined;
  #place = 0;
  #isComplete = false;
  #isOver = false;

  constructor(
    { text, values, rowMode, types, queryMode }: Statement,
    { name, id, isAlone, isGrouped }: Manner,
    line: Line,
    callback: Callback<R>,
  ) {
    // `pg` would copy a config property by property, which costs as much as all the rest of the way.
    super(text, values, callback);
    if (name !== undefined) this.name = name;
    if (queryMode !== undefined) this.queryMode = queryMode;
    if (rowMode !== undefined) {
      this._rowMode = rowMode;
      this._result = this._results = new Result(rowMode, types);
    } else if (types !== undefined) this._result._types = types;
    this.#line = line;
    this.#id = id;
    this.#isAlone = isAlone;
    this.#isGrouped = isGrouped;
  }

  /** Those it was sent with, once it is, where one Sync is for all of them. */
  get group(): Group | undefined {
    return this.#group;
  }

  /** Called by `pg` when it is its turn to be sent. What it returns is why it can't be. */
  submit(): unknown {
    const { outbox, prepared } = this.#line;
    if (!this.requiresPreparation()) {
      outbox.endGroup();
      outbox.put(serialize.query(this.text));
      outbox.send(this.#isAlone);
      return null;
    }
    const { name = '', values = [] } = this;
    if (!Array.isArray(values)) return new Error('Query values must be an array');
    const before = name === '' ? undefined : prepared.textOf(name);
    if (before !== undefined && before !== this.text)
      return new Error(
        `the name ${name} is that of another statement, which was prepared on this connection`,
      );
    const isPrepared = before !== undefined;
    const columns = isPrepared ? prepared.columnsOf(name) : undefined;
    let parse: Buffer | undefined;
    let bind: Buffer;
    try {
      if (columns) this.#expect(columns);
      if (!isPrepared) parse = serialize.parse({ name, text: this.text });
      bind = serialize.bind({ statement: name, values, valueMapper: utils.prepareValue });
    } catch (error) {
      return error;
    }
    if (!isPrepared && name !== '') prepared.sent(name, this.text);
    this.#put(parse, bind, columns !== undefined);
    outbox.send(this.#isAlone);
    return null;
  }

  /** @param isDescribed Its columns are known. */
  #put(parse: Buffer | undefined, bind: Buffer, isDescribed: boolean): void {
    const { outbox } = this.#line;
    if (this.#isGrouped) {
      this.#group = outbox.group();
      this.#place = this.#group.join();
    } else outbox.endGroup();
    if (parse) outbox.put(parse);
    outbox.put(bind);
    if (this.#group) outbox.put(isDescribed ? EXECUTE : DESCRIBE_AND_EXECUTE);
    else if (this.#id) {
      outbox.put(isDescribed ? EXECUTE : DESCRIBE_AND_EXECUTE);
      outbox.put(this.#id.of.question(this.#id.mayPrepare));
    } else outbox.put(isDescribed ? LAST : LAST_WITH_COLUMNS);
  }

  override handleRowDescription(message: { readonly fields: pg.FieldDef[] }): void {
    try {
      const columns = this.#describe(message);
      if (this.name !== undefined) this.#line.prepared.keepColumns(this.name, columns);
    } catch (error) {
      // Of the caller's own `types`: thrown from here, it would end the process.
      this._canceledDueToError = error;
    }
  }

  #describe(message: { readonly fields: pg.FieldDef[] }): Columns {
    const { described } = this.#line;
    const known = described.find(message.fields);
    if (known) {
      this._checkForMultirow();
      this.#expect(known);
      return known;
    }
    super.handleRowDescription(message);
    const { fields, _prebuiltEmptyResultObject: emptyRow } = this._result;
    const columns = { fields, emptyRow };
    described.keep(columns);
    return columns;
  }

  /** As after a description. */
  #expect({ fields, emptyRow }: Columns): void {
    const result = this._result;
    result.fields = fields;
    result._parsers = fields.map(({ dataTypeID, format }) => result._types.getTypeParser(dataTypeID, format));
    result._prebuiltEmptyResultObject = emptyRow;
  }

  /** A second time it is that of the question for the id. */
  override handleCommandComplete(message: object, connection: Told): void {
    if (this.#isComplete && this.#id) return;
    this.#isComplete = true;
    super.handleCommandComplete(message, connection);
    this.#group?.answered(this.#place, connection);
  }

  override handleEmptyQuery(connection: Told): void {
    super.handleEmptyQuery(connection);
    this.#group?.answered(this.#place, connection);
  }

  override handleReadyForQuery(connection: Told): void {
    this.#isOver = true;
    super.handleReadyForQuery(connection);
  }

  override handleError(error: unknown, connection: Told): void {
    // What comes later is of a caller's own parser: the server has answered it, and those behind it.
    if (!this.#isOver && error instanceof pg.DatabaseError) this.#group?.failed(this.#place, connection);
    super.handleError(error, connection);
  }

  /** Without the events that nobody hears. */
  handleDataRow({ fields }: { readonly fields: readonly unknown[] }): void {
    if (this._canceledDueToError) return;
    if (this.#isComplete && this.#id) {
      this.#id.of.note(fields[0], this.#id.mayPrepare);
      return;
    }
    try {
      this._result.addRow(this._result.parseRow(fields));
    } catch (error) {
      this._canceledDueToError = error;
    }
  }
}
