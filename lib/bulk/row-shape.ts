import { badInput } from './bad-input.js';
import type { Column } from './columns.js';

/** The values of a row, in the order of the columns; good until the next row is read. */
export type ReadRow = (row: unknown, number: number) => readonly unknown[];

/** The names that a first row gives for itself. */
export function namesOf(first: unknown): readonly string[] | undefined {
  return isRecord(first) ? Object.keys(first) : undefined;
}

/**
 * Reads rows that are all as the first one is: records or arrays.
 *
 * @param isChosen The columns were named by the caller, so other keys are left out on purpose.
 */
export function rowReader(columns: readonly Column[], first: unknown, isChosen: boolean): ReadRow {
  return Array.isArray(first) ? readArray(columns) : readRecord(columns, isChosen);
}

function readArray(columns: readonly Column[]): ReadRow {
  return (row, number) => {
    if (!Array.isArray(row)) throw badInput(`row ${number} is ${kindOf(row)}; the first one is an array`);
    if (row.length !== columns.length) {
      throw badInput(
        `row ${number} has ${row.length} values for ${columns.length} columns (${columns.map(({ name }) => name).join(', ')})`,
      );
    }
    return row;
  };
}

function readRecord(columns: readonly Column[], isChosen: boolean): ReadRow {
  const names = columns.map(({ name }) => name);
  const known = new Set(names);
  const values: unknown[] = Array.from(names);
  return (row, number) => {
    if (!isRecord(row)) throw badInput(`row ${number} is ${kindOf(row)}; expected an object of its values`);
    let found = 0;
    for (let i = 0; i < names.length; i++) {
      const value = row[names[i] ?? ''];
      if (value !== undefined) found++;
      values[i] = value;
    }
    if (!isChosen && Object.keys(row).length > found) refuseStranger(row, known, number);
    return values;
  };
}

/** A key that the first row has not would be lost without a word. */
function refuseStranger(row: Readonly<Record<string, unknown>>, known: ReadonlySet<string>, number: number) {
  const stranger = Object.keys(row).find((key) => !known.has(key));
  if (stranger === undefined) return;
  throw badInput(
    `row ${number} has "${stranger}", which the first row has not; name the columns in \`columns\``,
  );
}

function isRecord(row: unknown): row is Readonly<Record<string, unknown>> {
  return typeof row === 'object' && row !== null && !Array.isArray(row) && !(row instanceof Uint8Array);
}

function kindOf(row: unknown): string {
  if (row === null) return 'null';
  if (row instanceof Uint8Array) return 'bytes';
  return Array.isArray(row) ? 'an array' : `of type ${typeof row}`;
}
