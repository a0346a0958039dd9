import type { QueryResult, Row } from '../query.js';
import type { LongCalls } from '../session/long-call.js';
import { badValue } from './bad-input.js';
import { columnsOf, pickColumns, type Column } from './columns.js';
import { quoted } from './names.js';
import { checkNames } from './options.js';
import type { BulkRow } from './pull.js';
import { namesOf, rowReader } from './row-shape.js';
import { textWriter } from './values.js';

export interface InsertManyOptions {
  /** The columns that values are given for. Unless given, the keys of the first row; for arrays all columns. */
  readonly columns?: readonly string[];
  /**
   * What becomes of rows that are there already (manual, INSERT, ON CONFLICT): `nothing` leaves those as they are; with a
   * `target`, the columns of a unique index, `update` names the columns to overwrite: unless given all others.
   */
  readonly onConflict?:
    'nothing' | { readonly target: readonly string[]; readonly update?: readonly string[] };
  /** Columns of the stored rows to return; `'*'` for all. */
  readonly returning?: '*' | readonly string[];
}

/** @throws TypeError that names the option. */
export function checkInsertOptions({ columns, onConflict, returning }: InsertManyOptions): void {
  checkNames('columns', columns);
  if (returning !== '*') checkNames('returning', returning);
  if (onConflict === undefined || onConflict === 'nothing') return;
  if (typeof onConflict !== 'object' || onConflict === null || onConflict.target === undefined)
    throw new TypeError("onConflict: expected 'nothing' or { target: [column, …] }");
  checkNames('onConflict.target', onConflict.target);
  if (onConflict.update?.length !== 0) checkNames('onConflict.update', onConflict.update);
}

/** Inserts all rows by one statement, of one parameter for each column. */
export async function insertMany<R = Row>(
  long: LongCalls,
  table: string,
  rows: readonly BulkRow[],
  options: InsertManyOptions,
): Promise<QueryResult<R>> {
  const { connection, started: columns } = await long.open({
    text: insertInto(table),
    start: async (connection) => {
      const all = await columnsOf(table, connection);
      checkConflict(table, all, options);
      return pickColumns(table, all, options.columns ?? namesOf(rows[0]));
    },
    abandon: () => {},
  });
  try {
    const values = arraysOf(columns, rows, options.columns !== undefined);
    const result = await connection.query<R>({ text: insertText(table, columns, options), values });
    await connection.end('done');
    return result;
  } catch (error) {
    await connection.end('failed');
    throw error;
  }
}

/** What the call is to the router. */
export function insertInto(table: string): string {
  return `INSERT INTO ${table} DEFAULT VALUES`;
}

/** Of one parameter for each column: the number of rows is not bound by that of parameters. Pure. */
export function insertText(
  table: string,
  columns: readonly Column[],
  { onConflict, returning }: InsertManyOptions,
): string {
  const names = columns.map(({ name }) => quoted(name));
  const lists = columns.map((column, i) => `$${i + 1}::${isNested(column) ? 'text' : column.type}[]`);
  // `unnest` would take nested arrays apart to the last element: these come as text.
  const picked = columns.map((column, i) => (isNested(column) ? `v.c${i}::${column.type}` : `v.c${i}`));
  const as = columns.map((_, i) => `c${i}`);
  return [
    `INSERT INTO ${table} (${names.join(', ')})`,
    `SELECT ${picked.join(', ')} FROM unnest(${lists.join(', ')}) AS v (${as.join(', ')})`,
    conflictClause(columns, onConflict),
    returning && `RETURNING ${returning === '*' ? '*' : returning.map(quoted).join(', ')}`,
  ]
    .filter(Boolean)
    .join('\n');
}

function isNested({ element }: Column): boolean {
  return element !== undefined;
}

function conflictClause(
  columns: readonly Column[],
  onConflict: InsertManyOptions['onConflict'],
): string | undefined {
  if (onConflict === undefined) return undefined;
  if (onConflict === 'nothing') return 'ON CONFLICT DO NOTHING';
  const { target } = onConflict;
  const update =
    onConflict.update ?? columns.map(({ name }) => name).filter((name) => !target.includes(name));
  const where = `ON CONFLICT (${target.map(quoted).join(', ')})`;
  if (update.length === 0) return `${where} DO NOTHING`;
  return `${where} DO UPDATE SET ${update.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(', ')}`;
}

/** @throws PgMcpError `BULK_INPUT` */
function checkConflict(
  table: string,
  all: readonly Column[],
  { onConflict, returning }: InsertManyOptions,
): void {
  if (typeof onConflict === 'object')
    pickColumns(table, all, [...onConflict.target, ...(onConflict.update ?? [])]);
  if (returning !== undefined && returning !== '*') pickColumns(table, all, returning);
}

/** For each column the literal of an array of its values' texts. @throws PgMcpError `BULK_INPUT` */
function arraysOf(columns: readonly Column[], rows: readonly BulkRow[], isChosen: boolean): string[] {
  const writers = columns.map(textWriter);
  const lists = columns.map((): string[] => []);
  const read = rowReader(columns, rows[0], isChosen);
  for (const [number, row] of rows.entries()) {
    const values = read(row, number + 1);
    for (const [i, list] of lists.entries()) {
      try {
        list.push(elementOf(writers[i]?.(values[i]) ?? null));
      } catch (error) {
        throw badValue(number + 1, columns[i]?.name ?? '', error);
      }
    }
  }
  return lists.map((list) => `{${list.join(',')}}`);
}

function elementOf(text: string | null): string {
  return text === null ? 'NULL' : `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
