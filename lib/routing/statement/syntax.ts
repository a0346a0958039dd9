import { loadModule, parsePlPgSQLSync, parseSync } from 'libpg-query';

/** A node of PostgreSQL's parse tree, as libpg-query gives it: field name to value, or tag to fields. */
export type Node = Readonly<Record<string, unknown>>;

/** Loads the parser; the other functions here throw before that. */
export function loadParser(): Promise<void> {
  return loadModule();
}

/** The statements of a text. @throws what the parser throws, and RangeError for a text nested too deep. */
export function parseStatements(text: string): readonly Node[] {
  // The parser takes the text for a C string, which ends here.
  if (text.includes('\0')) throw new SyntaxError('the text holds a NUL character');
  const { stmts = [] } = parseSync(text) as { readonly stmts?: readonly { readonly stmt?: unknown }[] };
  return stmts.map(({ stmt }) => asNode(stmt));
}

/** The tree of a PL/pgSQL function, from its CREATE FUNCTION or from a DO. @throws what the parser throws. */
export function parsePlPgSql(definition: string): unknown {
  return parsePlPgSQLSync(definition);
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asNode(value: unknown): Node {
  return isNode(value) ? value : {};
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Of `{ Tag: { … } }`. */
export function tagOf(node: unknown): { readonly tag: string; readonly fields: Node } {
  const [entry] = Object.entries(asNode(node));
  return entry ? { tag: entry[0], fields: asNode(entry[1]) } : { tag: '', fields: {} };
}

/** The words of a list of `String` nodes. */
export function words(list: unknown): string[] {
  return asList(list).flatMap((item) => asText(asNode(asNode(item)['String'])['sval']) ?? []);
}

/** The text of a literal, also of one with a cast: `'seq'::regclass`. */
export function literalText(node: unknown): string | undefined {
  const { tag, fields } = tagOf(node);
  if (tag === 'TypeCast') return literalText(fields['arg']);
  if (tag === 'NamedArgExpr') return literalText(fields['arg']);
  return tag === 'A_Const' ? asText(asNode(fields['sval'])['sval']) : undefined;
}

/** The value of an integer literal, also of a bit string's cast to `int`: `x'40000'::int`. */
export function literalInteger(node: unknown): number | undefined {
  const { tag, fields } = tagOf(node);
  if (tag === 'TypeCast') {
    const [type, schema] = words(asNode(fields['typeName'])['names']).toReversed();
    return type === 'int4' && schema === 'pg_catalog' ? literalInteger(fields['arg']) : undefined;
  }
  if (tag !== 'A_Const') return undefined;
  if ('ival' in fields) return Number(asNode(fields['ival'])['ival'] ?? 0);
  const [, base, digits = ''] = /^([xb])(.+)$/i.exec(asText(asNode(fields['bsval'])['bsval']) ?? '') ?? [];
  return base === undefined ? undefined : Number.parseInt(digits, base.toLowerCase() === 'x' ? 16 : 2);
}

/** The value of a literal true or false, in the spellings of an option. */
export function literalBoolean(node: unknown): boolean | undefined {
  const { tag, fields } = tagOf(node);
  if (tag === 'TypeCast') return literalBoolean(fields['arg']);
  const inner = tag === 'A_Const' ? fields : { [tag.toLowerCase().replace('string', 'sval')]: fields };
  const text = asText(asNode(inner['sval'])['sval'])?.toLowerCase();
  if (text !== undefined) {
    if (['true', 'on', 't', 'yes', 'y', '1'].includes(text)) return true;
    return ['false', 'off', 'f', 'no', 'n', '0'].includes(text) ? false : undefined;
  }
  if ('boolval' in inner || tag === 'Boolean') {
    return asNode(inner['boolval'] ?? fields)['boolval'] === true;
  }
  if ('ival' in inner || tag === 'Integer') {
    return (asNode(inner['ival'] ?? fields)['ival'] ?? 0) !== 0;
  }
  return undefined;
}
