/** A row as `pg` gives it: column name to value, or with `rowMode: 'array'` the values alone. */
// The columns of a statement are not known to the compiler: the caller names the row's type.
// oxlint-disable-next-line typescript/no-explicit-any
export type Row = any;

/** How new the data must be: `session` what this session has written, `eventual` whatever a replica has, `strong` the primary's. */
export type Consistency = 'session' | 'eventual' | 'strong';

export const CONSISTENCIES: readonly Consistency[] = ['session', 'eventual', 'strong'];

/** One statement: the shape of `pg`'s own query config, so that objects made for `pg` serve here. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /** Prepares the statement under this name on the connection it runs on. */
  readonly name?: string | undefined;
  readonly rowMode?: 'array' | undefined;
  /** `extended`: one statement only, sent by the extended query protocol even where it has no values. */
  readonly queryMode?: 'extended' | undefined;
  /** For this call, where nothing holds it to a connection; the scope's or the cluster's unless given. */
  readonly consistency?: Consistency | undefined;
  /** @internal What the client that asks has SET before, as a text: it holds wherever the statement runs. */
  readonly settings?: string | undefined;
  readonly types?: { getTypeParser(oid: number, format?: string): (value: never) => unknown } | undefined;
}

export interface QueryField {
  readonly name: string;
  readonly dataTypeID: number;
  readonly tableID: number;
  readonly columnID: number;
}

/** Texts that are alike but for a whole number, and mean the same with a parameter in its place. */
export interface AlikeTexts {
  /** With the parameter. */
  readonly text: string;
  /** The number in one of them. */
  numberIn(text: string): string | undefined;
  /** With a parameter the server does not take it. */
  giveUp(): void;
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

/**
 * A statement with all its properties: a copy that changes one of them is then cheap. To add one to a copy takes V8 a
 * microsecond and more.
 *
 * @throws TypeError for what is no statement.
 */
export function toStatement(statement: string | Statement, values?: readonly unknown[]): Statement {
  const given = typeof statement === 'string' ? { text: statement } : statement;
  if (typeof given?.text !== 'string') {
    throw new TypeError('query() takes a text, or an object with a text and values');
  }
  if ('submit' in given) {
    throw new TypeError(
      'query() runs statements; a cursor or stream needs the client of a lease: getConnection()',
    );
  }
  const { text, name, rowMode, queryMode, consistency, settings, types }: Statement = given;
  // As `pg` does, what is no list is none.
  const valued = (values ? values : given.values) ?? undefined;
  const whole = { text, values: valued, name, rowMode, queryMode, consistency, settings, types };
  return whole satisfies Record<keyof Statement, unknown>;
}
