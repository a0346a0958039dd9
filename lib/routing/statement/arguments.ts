import type { Argument } from './mentions.js';
import { asNode, asText, literalText, tagOf, words } from './syntax.js';

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
    case 'A_Expr': {
      const isJoined = fields['kind'] === 'AEXPR_OP' && words(fields['name']).join('.') === '||';
      return isJoined ? { kind: 'joined', parts: [fields['lexpr'], fields['rexpr']].map(argumentOf) } : OTHER;
    }
    default:
      return OTHER;
  }
}

/** The types of which a text literal stays what it is, by the names that a cast gives them. */
export const PLAIN_TYPES: readonly string[] = ['text', 'varchar', 'name'];
/** A `name` is cut behind so many bytes (manual, "Character Types"). */
const LONGEST_NAME = 63;

/** The text of a literal, also of one that is cast to a text without changing it: `'a'::text`. */
export function plainTextOf(expression: unknown): string | undefined {
  const { tag, fields } = tagOf(expression);
  if (tag === 'A_Const') return literalText(expression);
  if (tag !== 'TypeCast' || tagOf(fields['arg']).tag !== 'A_Const') return undefined;
  const type = asNode(fields['typeName']);
  const path = words(type['names']);
  const name = path.at(-1) ?? '';
  const isPlain = type['typmods'] === undefined && type['arrayBounds'] === undefined;
  const isOfServer = path.length === 1 || path.at(-2) === 'pg_catalog';
  if (!isPlain || !isOfServer || !PLAIN_TYPES.includes(name)) return undefined;
  const text = literalText(expression);
  return name === 'name' && Buffer.byteLength(text ?? '') > LONGEST_NAME ? undefined : text;
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
