import { prepareValue } from '../pool/pg-values.js';
import type { Column, SentType } from './columns.js';

const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802]);

export function isJson({ oid }: SentType): boolean {
  return JSON_TYPES.has(oid);
}

/** How a column's values are written as text; null for SQL's NULL. */
export function textWriter(column: Column): (value: unknown) => string | null {
  return isJson(column) ? jsonOf : textOf;
}

/** As `pg` writes a parameter. */
export function textOf(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'undefined':
      return null;
    case 'function':
    case 'symbol':
      throw new TypeError(`a ${typeof value} is no value`);
    case 'object':
      return value === null ? null : textOfObject(value);
  }
}

/** `pg` would write a list as an array of SQL, which is no JSON. */
export function jsonOf(value: unknown): string | null {
  return Array.isArray(value) ? JSON.stringify(value) : textOf(value);
}

function textOfObject(value: object): string | null {
  if (value instanceof Date && Number.isNaN(value.getTime())) throw new TypeError('an invalid date');
  const prepared = prepareValue(value);
  return Buffer.isBuffer(prepared) ? `\\x${prepared.toString('hex')}` : prepared;
}
