import type { FieldDef } from 'pg';

/** What the server said of a statement's rows. */
export interface Columns {
  readonly fields: FieldDef[];
  /** A row with all of them, before it has values: `pg` copies it for each. */
  readonly emptyRow: object;
}

/** As many kinds of rows as are likely to come in turns on one connection. */
const MOST = 16;

/**
 * The columns that came last on a connection. A text with its values in it is new to the server each time, but not
 * what it answers: to make the empty row again costs more than all the rest of reading a row.
 */
export class DescribedColumns {
  readonly #known: Columns[] = [];
  #oldest = 0;

  /** Those that are described alike in every respect. */
  find(fields: readonly FieldDef[]): Columns | undefined {
    for (const known of this.#known) if (areSame(known.fields, fields)) return known;
    return undefined;
  }

  keep(columns: Columns): void {
    this.#known[this.#oldest] = columns;
    this.#oldest = (this.#oldest + 1) % MOST;
  }
}

function areSame(some: readonly FieldDef[], others: readonly FieldDef[]): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) {
    const [one, other] = [some[i], others[i]];
    if (!one || !other || !isSame(one, other)) return false;
  }
  return true;
}

function isSame(one: FieldDef, other: FieldDef): boolean {
  return (
    one.dataTypeID === other.dataTypeID &&
    one.name === other.name &&
    one.tableID === other.tableID &&
    one.columnID === other.columnID &&
    one.dataTypeSize === other.dataTypeSize &&
    one.dataTypeModifier === other.dataTypeModifier &&
    one.format === other.format
  );
}
