import pg from 'pg';
import { serialize } from 'pg-protocol';
import type { QueryResult, Statement } from '../query.js';
import type { Columns, DescribedColumns } from './pg-columns.js';
import type { Outbox } from './outbox.js';
import type { PreparedStatements } from './prepared-statements.js';
import type { TransactionId } from './transaction-id.js';

/** What `pg` keeps of a result while its rows come in. */
interface OpenResult {
  fields: pg.FieldDef[];
  _parsers: unknown[];
  _prebuiltEmptyResultObject: object;
  _types: NonNullable<Statement['types']>;
  addRow(row: unknown): void;
  parseRow(values: readonly unknown[]): unknown;
}

/** The part of `pg.Query` that its types leave out. */
interface OpenQuery {
  name?: string;
  readonly text: string;
  readonly values?: unknown[];
  queryMode?: string;
  _rowMode: Statement['rowMode'];
  _result: OpenResult;
  _results: OpenResult;
  _canceledDueToError: unknown;
  _checkForMultirow(): void;
  handleRowDescription(message: { readonly fields: pg.FieldDef[] }): void;
  handleCommandComplete(message: object, connection: object): void;
  requiresPreparation(): boolean;
}

interface Library {
  readonly utils: { readonly prepareValue: (value: unknown) => unknown };
  readonly Query: new (
    text: string,
    values: readonly unknown[] | undefined,
    callback: (error: unknown, result: never) => void,
  ) => OpenQuery;
  readonly Result: new (rowMode: Statement['rowMode'], types: Statement['types']) => OpenResult;
}

const { utils, Query, Result } = pg as unknown as Library;

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
  #isComplete = false;

  /**
   * @param name Under which it is prepared, if it is.
   * @param id Of the transaction, where the statement is to bring it along.
   * @param isAlone Whether nothing else is under way on the connection.
   */
  constructor(
    { text, values, rowMode, types, queryMode }: Statement,
    { name, id, isAlone }: { name: string | undefined; id: Companion | undefined; isAlone: boolean },
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
  }

  /** Called by `pg` when it is its turn to be sent. What it returns is why it can't be. */
  submit(): unknown {
    const { outbox, prepared } = this.#line;
    if (!this.requiresPreparation()) {
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
    try {
      if (columns) this.#expect(columns);
      const bind = serialize.bind({
        statement: name,
        values,
        valueMapper: utils.prepareValue,
      });
      if (!isPrepared) outbox.put(serialize.parse({ name, text: this.text }));
      outbox.put(bind);
    } catch (error) {
      return error;
    }
    if (!isPrepared && name !== '') prepared.sent(name, this.text);
    if (this.#id) {
      outbox.put(columns ? EXECUTE : DESCRIBE_AND_EXECUTE);
      outbox.put(this.#id.of.question(this.#id.mayPrepare));
    } else outbox.put(columns ? LAST : LAST_WITH_COLUMNS);
    outbox.send(this.#isAlone);
    return null;
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
  override handleCommandComplete(message: object, connection: object): void {
    if (this.#isComplete && this.#id) return;
    this.#isComplete = true;
    super.handleCommandComplete(message, connection);
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
