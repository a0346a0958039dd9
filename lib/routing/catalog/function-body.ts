import { readSqlBody, readStatement, type Reading } from '../statement/reading.js';
import { mentionsOf } from '../statement/collect-mentions.js';
import {
  asList,
  asNode,
  asText,
  isNode,
  parsePlPgSql,
  parseStatements,
  tagOf,
  type Node,
} from '../statement/syntax.js';
import { lastingArguments } from './lasting-arguments.js';
import { filledText, templateOf, type TextTemplate } from './text-template.js';

/** What the text of a function shows of what it does. */
export interface FunctionBody {
  readonly readings: readonly Reading[];
  /** Texts that are made up as it runs, and run; undefined where nothing tells what they are. */
  readonly templates: readonly (TextTemplate | undefined)[];
}

/** Reads a CREATE FUNCTION, or a DO, in SQL or PL/pgSQL; undefined where the parser can't. */
export function readBody(definition: string, language: string): FunctionBody | undefined {
  try {
    return language === 'sql' ? readSql(definition) : readPlPgSql(definition);
  } catch {
    return language === 'sql' ? undefined : readWithRecords(definition);
  }
}

/** The PL/pgSQL of a DO. */
export function readBlock(source: string): FunctionBody | undefined {
  return readBody(`DO '${source.replaceAll("'", "''")}'`, 'plpgsql');
}

const ROW_TYPE = /[\w$."]+%rowtype\b/gi;

/** The parser here knows no table, and takes a row for a single value; a record has any field. */
function readWithRecords(definition: string): FunctionBody | undefined {
  try {
    const { readings, templates } = readPlPgSql(definition.replaceAll(ROW_TYPE, 'record'));
    const rows = [...definition.matchAll(ROW_TYPE)].flatMap(([declared]) => readType(declared));
    return { readings: [...readings, ...rows], templates };
  } catch {
    return undefined;
  }
}

function readSql(definition: string): FunctionBody {
  const [statement] = parseStatements(definition);
  const { fields } = tagOf(statement);
  const statements: Node[] = [...readSqlBody(fields['sql_body'])].filter((node) => tagOf(node).tag !== '');
  for (const item of asList(fields['options'])) {
    const option = asNode(asNode(item)['DefElem']);
    if (option['defname'] !== 'as') continue;
    const source = asText(asNode(asNode(firstItem(option['arg']))['String'])['sval']) ?? '';
    statements.push(...parseStatements(source));
  }
  return { readings: statements.map(readPart), templates: [] };
}

function firstItem(list: unknown): unknown {
  return asList(asNode(asNode(list)['List'])['items'])[0];
}

function readPart(statement: Node): Reading {
  return 'Expression' in statement
    ? { obstacles: [], mentions: mentionsOf(statement), mode: 'run', changesCatalog: false }
    : readStatement(statement);
}

function readPlPgSql(definition: string): FunctionBody {
  const readings: Reading[] = [];
  const templates: (TextTemplate | undefined)[] = [];
  const tree = parsePlPgSql(definition);
  const placeOf = lastingArguments(definition, tree);
  const visit = (value: unknown, key: string): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, key);
    if (!isNode(value)) return;
    const expression = value['PLpgSQL_expr'];
    if (isNode(expression)) {
      const parts = statementsOf(expression);
      if (key === DYNAMIC) {
        const template = templateOf(onlyValue(parts), placeOf);
        const text = template && filledText(template, []);
        if (text === undefined) templates.push(template);
        else readings.push(...readText(text));
      }
      readings.push(...parts.map(readStatement));
      return;
    }
    const typeName = asText(asNode(value['PLpgSQL_type'])['typname']);
    if (typeName !== undefined) readings.push(...readType(typeName));
    if (TRANSACTION_CONTROL.some((name) => name in value)) readings.push(...readText('COMMIT'));
    for (const [name, field] of Object.entries(value)) {
      const isExecute = /dynexecute|dynfors/i.test(key) && name === 'query';
      visit(field, isExecute ? DYNAMIC : name);
    }
  };
  visit(tree, '');
  return { readings, templates };
}

const TRANSACTION_CONTROL: readonly string[] = ['PLpgSQL_stmt_commit', 'PLpgSQL_stmt_rollback'];

/** What a declaration names: a type, or a row; for the type of a column its table's row; for a variable's nothing. */
function readType(declared: string): Reading[] {
  const [name = '', reference] = declared.split(/\s*%\s*(?=(?:row)?type\b)/i);
  if (reference === undefined || /^row/i.test(reference)) return readText(`SELECT NULL::${name}`);
  const table = name.slice(0, Math.max(0, name.lastIndexOf('.')));
  return table === '' ? [] : readText(`SELECT NULL::${table}`);
}

function readText(text: string): Reading[] {
  return parseStatements(text).map(readStatement);
}

/** The key of an expression that gives a text to run; PL/pgSQL's own for OPEN and RETURN QUERY. */
const DYNAMIC = 'dynquery';

const STATEMENT = 0;
const EXPRESSION = 2;

/** PL/pgSQL takes an expression for what follows SELECT, up to a FROM; an assignment's has its target before it. */
function statementsOf(expression: Node): readonly Node[] {
  const query = asText(expression['query']) ?? '';
  switch (expression['parseMode'] ?? STATEMENT) {
    case STATEMENT:
      return parseStatements(query);
    case EXPRESSION:
      return parseStatements(`SELECT ${query}`);
    default:
      return parseStatements(`SELECT ${withoutAssignment(query)}`);
  }
}

function withoutAssignment(assignment: string): string {
  let depth = 0;
  for (let index = 0; index < assignment.length; index++) {
    const character = assignment[index];
    if (character === '[' || character === '(') depth++;
    else if (character === ']' || character === ')') depth--;
    else if (depth === 0 && character === '=') {
      const target = assignment.slice(0, assignment[index - 1] === ':' ? index - 1 : index);
      return `${target}, ${assignment.slice(index + 1)}`;
    }
  }
  throw new SyntaxError('an assignment without its sign');
}

/** Of `SELECT value`. */
function onlyValue([statement]: readonly Node[]): unknown {
  const [target] = asList(tagOf(statement).fields['targetList']);
  return asNode(asNode(target)['ResTarget'])['val'];
}
