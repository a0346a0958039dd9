import { asList, asNode, asText, literalText, tagOf, words, type Node } from '../statement/syntax.js';

/** A piece of a text that a function puts together: fixed, or the argument of a place, as it is or quoted. */
export type TextPart =
  | { readonly kind: 'fixed'; readonly text: string }
  | { readonly kind: 'argument'; readonly place: number; readonly quoting: Quoting };

/** A text of which nothing but arguments is open. */
export type TextTemplate = readonly TextPart[];

type Quoting = 'none' | 'identifier' | 'literal';

/** The place of an argument by its name, or by `$1`; undefined for what is no argument that keeps its value. */
export type PlaceOf = (name: string) => number | undefined;

/** What the server is to have of its own only, so that a template is what its expression gives. */
export const TEMPLATE_FUNCTIONS: readonly string[] = ['format', 'quote_ident', 'quote_literal'];
export const TEMPLATE_OPERATOR = '||';

const BY_DIRECTIVE: Readonly<Record<string, Quoting>> = { s: 'none', I: 'identifier', L: 'literal' };

/** The template that an expression comes to, where literals, arguments, `||`, `format` and quoting are all of it. */
export function templateOf(expression: unknown, placeOf: PlaceOf): TextTemplate | undefined {
  const { tag, fields } = tagOf(expression);
  switch (tag) {
    case 'A_Const': {
      const text = literalText({ [tag]: fields });
      return text === undefined ? undefined : [{ kind: 'fixed', text }];
    }
    case 'ParamRef':
      return argument(placeOf(`$${String(fields['number'])}`));
    case 'ColumnRef': {
      const path = words(fields['fields']);
      return path.length === 1 && path[0] !== undefined ? argument(placeOf(path[0])) : undefined;
    }
    case 'A_Expr': {
      const [name, schema] = words(fields['name']).toReversed();
      if (fields['kind'] !== 'AEXPR_OP' || name !== TEMPLATE_OPERATOR || schema !== undefined)
        return undefined;
      return joined([templateOf(fields['lexpr'], placeOf), templateOf(fields['rexpr'], placeOf)]);
    }
    case 'FuncCall':
      return ofCall(fields, placeOf);
    default:
      return undefined;
  }
}

/** The text that a template gives with these arguments; undefined where one that it takes is not known. */
export function filledText(
  template: TextTemplate,
  given: readonly (string | undefined)[],
): string | undefined {
  let text = '';
  for (const part of template) {
    const piece = part.kind === 'fixed' ? part.text : given[part.place];
    if (piece === undefined) return undefined;
    text += part.kind === 'fixed' ? piece : quoted(piece, part.quoting);
  }
  return text;
}

function argument(place: number | undefined): TextTemplate | undefined {
  return place === undefined ? undefined : [{ kind: 'argument', place, quoting: 'none' }];
}

function joined(templates: readonly (TextTemplate | undefined)[]): TextTemplate | undefined {
  const known = templates.filter((template) => template !== undefined);
  return known.length === templates.length ? known.flat() : undefined;
}

function ofCall(fields: Node, placeOf: PlaceOf): TextTemplate | undefined {
  const [name, schema] = words(fields['funcname']).toReversed();
  if ((schema !== undefined && schema !== 'pg_catalog') || fields['func_variadic'] === true) return undefined;
  const [first, ...others] = asList(fields['args']);
  if (name === 'quote_ident') return requoted(templateOf(first, placeOf), 'identifier');
  if (name === 'quote_literal') return requoted(templateOf(first, placeOf), 'literal');
  const pattern =
    name === 'format' ? asText(asNode(asNode(asNode(first)['A_Const'])['sval'])['sval']) : undefined;
  return pattern === undefined
    ? undefined
    : formatted(
        pattern,
        others.map((item) => templateOf(item, placeOf)),
      );
}

/** What quotes holds a single piece: quoting goes over the whole, and is told of pieces only. */
function requoted(template: TextTemplate | undefined, quoting: Quoting): TextTemplate | undefined {
  const [part, ...rest] = template ?? [];
  if (!part || rest.length > 0) return undefined;
  if (part.kind === 'fixed') return [{ kind: 'fixed', text: quoted(part.text, quoting) }];
  return part.quoting === 'none' ? [{ ...part, quoting }] : undefined;
}

/** `format` with plain directives (manual, "format"). */
function formatted(pattern: string, values: readonly (TextTemplate | undefined)[]): TextTemplate | undefined {
  const parts: (TextTemplate | undefined)[] = [];
  let next = 0;
  for (const [piece] of pattern.matchAll(/%.|[^%]+|%/gs)) {
    const quoting = piece.startsWith('%') ? BY_DIRECTIVE[piece.slice(1)] : undefined;
    if (quoting !== undefined) {
      const value = values[next++];
      parts.push(quoting === 'none' ? value : requoted(value, quoting));
    } else if (piece === '%%' || !piece.startsWith('%'))
      parts.push([{ kind: 'fixed', text: piece === '%%' ? '%' : piece }]);
    else return undefined;
  }
  return joined(parts);
}

function quoted(text: string, quoting: Quoting): string {
  switch (quoting) {
    case 'none':
      return text;
    case 'identifier':
      return `"${text.replaceAll('"', '""')}"`;
    case 'literal': {
      const doubled = text.replaceAll("'", "''");
      return doubled.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
    }
  }
}
