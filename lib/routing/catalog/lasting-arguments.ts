import { plainTextOf } from '../statement/arguments.js';
import {
  asList,
  asNode,
  asText,
  isNode,
  parseStatements,
  tagOf,
  words,
  type Node,
} from '../statement/syntax.js';
import type { PlaceOf } from './text-template.js';

const PLAIN_NAME = /^[a-z_][a-z0-9_]*$/;
const TEXT_TYPES: readonly string[] = ['text', 'varchar'];
const ASSIGNMENT = 3;

/** An argument that a call gives. */
export interface GivenArgument {
  /** By which the body may call it, as `$2`: counts from 1, with those that are only given back. */
  readonly number: number;
  readonly name: string | undefined;
  readonly isText: boolean;
  /** Its default, if that is a text literal. */
  readonly otherwise: string | undefined;
}

/** The arguments for which a call gives something, in their order. */
export function argumentsOf(definition: string): readonly GivenArgument[] {
  const created = createdFunction(definition);
  const isProcedure = created?.['is_procedure'] === true;
  return asList(created?.['parameters'])
    .map((item, place) => ({ parameter: asNode(asNode(item)['FunctionParameter']), number: place + 1 }))
    .filter(
      ({ parameter: { mode } }) => isProcedure || (mode !== 'FUNC_PARAM_OUT' && mode !== 'FUNC_PARAM_TABLE'),
    )
    .map(({ parameter, number }) => {
      const type = asNode(parameter['argType']);
      const isPlain = ['FUNC_PARAM_IN', 'FUNC_PARAM_DEFAULT'].includes(asText(parameter['mode']) ?? '');
      const isText = TEXT_TYPES.includes(words(type['names']).at(-1) ?? '');
      return {
        number,
        name: asText(parameter['name']),
        isText: isPlain && isText && type['arrayBounds'] === undefined,
        otherwise: plainTextOf(parameter['defexpr']),
      };
    });
}

/**
 * The places of those text arguments of a PL/pgSQL function that its body only reads. An argument can be
 * assigned to, selected into, hidden by a variable or go by an alias: so one counts only if each mention in the
 * source is within an expression that is evaluated.
 */
export function lastingArguments(definition: string, tree: unknown): PlaceOf {
  const places = new Map<string, number>();
  const source = sourceOf(createdFunction(definition)?.['options']);
  const evaluated = evaluatedTexts(tree);
  // Escaped names are not looked for.
  if (source === undefined || evaluated === undefined || /u&"/i.test(source)) return () => undefined;
  for (const [place, { number, name, isText }] of argumentsOf(definition).entries()) {
    const names = name === undefined ? [`$${number}`] : [`$${number}`, name];
    if (!isText || !names.every((one) => PLAIN_NAME.test(one) || one.startsWith('$'))) continue;
    const isOnlyRead = names.every((one) => {
      const pattern = new RegExp(`(?<![\\w$])${one.replace('$', '\\$')}(?![\\w$])`, 'gi');
      const among = (text: string) => text.match(pattern)?.length ?? 0;
      return among(source) === evaluated.reduce((count, text) => count + among(text), 0);
    });
    if (isOnlyRead) for (const one of names) places.set(one, place);
  }
  return (name) => places.get(name);
}

function createdFunction(definition: string): Node | undefined {
  const { tag, fields } = tagOf(parseStatements(definition)[0]);
  return tag === 'CreateFunctionStmt' ? fields : undefined;
}

function sourceOf(options: unknown): string | undefined {
  for (const item of asList(options)) {
    const option = asNode(asNode(item)['DefElem']);
    if (option['defname'] !== 'as') continue;
    const [source] = asList(asNode(asNode(option['arg'])['List'])['items']);
    return asText(asNode(asNode(source)['String'])['sval']);
  }
  return undefined;
}

/** What the statements of a body evaluate; undefined where a CALL may give arguments new values. */
function evaluatedTexts(tree: unknown): readonly string[] | undefined {
  const texts: string[] = [];
  let hasCall = false;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    if (!isNode(value)) return;
    if ('PLpgSQL_stmt_call' in value) hasCall = true;
    const expression = asNode(value['PLpgSQL_expr']);
    const query = asText(expression['query']);
    if (query !== undefined)
      texts.push(expression['parseMode'] === ASSIGNMENT ? query.slice(query.indexOf('=') + 1) : query);
    // What the declarations evaluate is left out: there a name may be a new variable's.
    for (const [key, field] of Object.entries(value)) if (key !== 'datums') visit(field);
  };
  visit(tree);
  return hasCall ? undefined : texts;
}
