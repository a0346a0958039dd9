/** A row as `pg` gives it: column name to value, or with `rowMode: 'array'` the values alone. */
// The columns of a statement are not known to the compiler: the caller names the row's type.
// oxlint-disable-next-line typescript/no-explicit-any
export type Row = any;

/** One statement: the shape of `pg`'s own query config, so that objects made for `pg` serve here. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** Prepares the statement under this name on the connection it runs on. */
  readonly name?: string;
  readonly rowMode?: 'array';
  readonly types?: { getTypeParser(oid: number, format?: string): (value: never) => unknown };
}

export interface QueryField {
  readonly name: string;
  readonly dataTypeID: number;
  readonly tableID: number;
  readonly columnID: number;
}

/** What a statement returned, as `pg` gives it. */
export interface QueryResult<R = Row> {
  readonly rows: R[];
  readonly rowCount: number | null;
  /** The command tag's first word: `SELECT`, `INSERT`, `COMMIT`, … */
  readonly command: string;
  readonly fields: readonly QueryField[];
}

/** Anything that runs statements: a cluster, a lease, a transaction. */
export interface Queryable {
  query<R = Row>(statement: string | Statement, values?: readonly unknown[]): Promise<QueryResult<R>>;
}

export function toStatement(statement: string | Statement, values?: readonly unknown[]): Statement {
  if (typeof statement === 'string')
    return values === undefined ? { text: statement } : { text: statement, values };
  return values === undefined ? statement : { ...statement, values };
}
