import type { Argument } from './mentions.js';
import { asNode, asText, tagOf, words } from './syntax.js';

const builtin = (name: string): Argument => ({ kind: 'typed', type: { schema: 'pg_catalog', name } });
const UNTYPED: Argument = { kind: 'untyped' };
const OTHER: Argument = { kind: 'other' };
const LARGEST_BIGINT = 9_223_372_036_854_775_807n;

/** What an expression's own text tells of its type (manual, "Constants" and "Type Conversion"). */
export function argumentOf(expression: unknown): Argument {
  const { tag, fields } = tagOf(expression);
  switch (tag) {
    case 'A_Const':
      return literal(fields);
    case 'TypeCast': {
      const type = asNode(fields['typeName']);
      const path = words(type['names']);
      const name = path.at(-1);
      if (name === undefined || type['arrayBounds'] !== undefined) return OTHER;
      return { kind: 'typed', type: { schema: path.at(-2), name } };
    }
    case 'ColumnRef': {
      const name = words(fields['fields']).at(-1);
      return name === undefined ? OTHER : { kind: 'column', name };
    }
    default:
      return OTHER;
  }
}

function literal(fields: ReturnType<typeof asNode>): Argument {
  if (fields['isnull'] === true || 'sval' in fields) return UNTYPED;
  if ('ival' in fields) return builtin('int4');
  if ('boolval' in fields) return builtin('bool');
  const digits = asText(asNode(fields['fval'])['fval']);
  if (digits === undefined) return OTHER;
  const isBigint = /^-?\d+$/.test(digits) && BigInt(digits) <= LARGEST_BIGINT;
  return builtin(isBigint ? 'int8' : 'numeric');
}
