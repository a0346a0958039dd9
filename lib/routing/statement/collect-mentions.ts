import { argumentOf, plainTextOf } from './arguments.js';
import type { Argument, FunctionCall, Mentions, Name, OperatorUse, RelationName } from './mentions.js';
import type { Obstacle } from './statement-class.js';
import {
  asList,
  asNode,
  asText,
  isNode,
  literalBoolean,
  literalInteger,
  literalText,
  tagOf,
  words,
  type Node,
} from './syntax.js';
import { isTemporary, temporaryObject } from './temporary-object.js';

/** The names of common table expressions that a place can see. */
type Scope = ReadonlySet<string>;

const NO_NAMES: Scope = new Set();
const MODIFYING: Readonly<Record<string, string>> = {
  InsertStmt: 'INSERT',
  UpdateStmt: 'UPDATE',
  DeleteStmt: 'DELETE',
  MergeStmt: 'MERGE',
};
/** Functions without parentheses that ask for more than the time. */
const WITHOUT_PARENTHESES: Readonly<Record<string, string>> = {
  SVFOP_CURRENT_SCHEMA: 'current_schema',
  SVFOP_CURRENT_ROLE: 'current_user',
  SVFOP_CURRENT_USER: 'current_user',
  SVFOP_USER: 'current_user',
  SVFOP_SESSION_USER: 'session_user',
};
const BETWEEN: Readonly<Record<string, readonly string[]>> = {
  AEXPR_BETWEEN: ['>=', '<='],
  AEXPR_NOT_BETWEEN: ['<', '>'],
  AEXPR_BETWEEN_SYM: ['>=', '<='],
  AEXPR_NOT_BETWEEN_SYM: ['<', '>'],
};

/** Collects what a SELECT, VALUES, TABLE or data-modifying statement, or an expression, mentions. */
export function mentionsOf(statement: unknown): Mentions {
  const collector = new Collector();
  collector.visit(statement, NO_NAMES);
  return collector.finish();
}

class Collector {
  readonly #functions: FunctionCall[] = [];
  readonly #relations: RelationName[] = [];
  readonly #types: Name[] = [];
  readonly #operators: OperatorUse[] = [];
  readonly #deeds: Obstacle[] = [];
  readonly #projections: { name: string; of: string | undefined }[] = [];
  /** Undefined for a name that stands for several things. */
  readonly #aliases = new Map<string, Name | undefined>();

  #readsTablesOnly = true;
  #readsColumns = false;
  #negates = false;

  finish(): Mentions {
    return {
      readsTablesOnly: this.#readsTablesOnly,
      readsColumns: this.#readsColumns,
      negates: this.#negates,
      aliases: new Set(this.#aliases.keys()),
      functions: this.#functions,
      relations: this.#relations,
      types: this.#types,
      operators: this.#operators,
      deeds: this.#deeds,
      projections: this.#projections.map(({ name, of }) => ({
        name,
        relation: of === undefined ? undefined : this.#aliases.get(of),
      })),
    };
  }

  visit(value: unknown, scope: Scope): void {
    if (Array.isArray(value)) for (const item of value) this.visit(item, scope);
    if (!isNode(value)) return;
    if (typeof value['relname'] === 'string') this.#relation(value, scope);
    else if ('names' in value && 'typemod' in value) this.#type(value, scope);
    else if ('limitOption' in value) this.#select(value, scope);
    else for (const [key, field] of Object.entries(value)) this.#field(key, field, scope);
  }

  #fields(node: Node, scope: Scope, except: readonly string[] = []): void {
    for (const [key, field] of Object.entries(node))
      if (!except.includes(key)) this.#field(key, field, scope);
  }

  #field(tag: string, field: unknown, scope: Scope): void {
    if (typeof field !== 'object' || field === null) return;
    const node = asNode(field);
    switch (tag) {
      case 'FuncCall':
        this.#call(node);
        break;
      case 'CallStmt': {
        const call = asNode(node['funccall']);
        this.#call(call);
        this.visit(call['args'], scope);
        return;
      }
      case 'SQLValueFunction': {
        const name = WITHOUT_PARENTHESES[asText(node['op']) ?? ''];
        if (name !== undefined) this.#call({ funcname: [{ String: { sval: name } }] });
        break;
      }
      case 'A_Expr':
        this.#expression(node);
        break;
      case 'ColumnRef': {
        this.#readsColumns = true;
        const path = words(node['fields']);
        const isStar = asList(node['fields']).length > path.length;
        const name = path.at(-1);
        if (name !== undefined && path.length > 1 && !isStar)
          this.#projections.push({ name, of: path.at(-2) });
        return;
      }
      case 'A_Indirection': {
        const row = tagOf(node['arg']);
        const path = row.tag === 'ColumnRef' ? words(row.fields['fields']) : [];
        for (const [index, name] of words(node['indirection']).entries()) {
          this.#projections.push({ name, of: index === 0 && path.length === 1 ? path[0] : undefined });
        }
        break;
      }
      case 'SortBy':
        this.#operator(node['useOp'], 2);
        break;
      case 'SubLink':
        if (node['testexpr'] !== undefined) this.#operator(node['operName'], 2, '=');
        break;
      case 'BoolExpr':
        if (node['boolop'] === 'NOT_EXPR') this.#negates = true;
        break;
      case 'CaseExpr':
        if (node['arg'] !== undefined) this.#operator(undefined, 2, '=');
        break;
      case 'JoinExpr':
        if (node['usingClause'] !== undefined || node['isNatural'] === true) {
          this.#readsColumns = true;
          this.#operator(undefined, 2, '=');
        }
        this.#hide(node['alias']);
        break;
      case 'RangeSubselect':
      case 'RangeFunction':
      case 'RangeTableFunc':
      case 'JsonTable':
        this.#hide(node['alias']);
        break;
      case 'LockingClause':
        this.#deeds.push({ kind: 'primary', reason: 'row-lock', detail: lockName(node), writes: true });
        // The names in it are aliases.
        return;
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        if (!doesNothing(node))
          this.#deeds.push({ kind: 'primary', reason: 'write', detail: MODIFYING[tag] ?? tag, writes: true });
        this.visit(node['relation'], NO_NAMES);
        this.#fields(node, this.#withNames(node['withClause'], scope), ['relation', 'withClause']);
        return;
    }
    this.visit(field, scope);
  }

  #select(node: Node, outer: Scope): void {
    const scope = this.#withNames(node['withClause'], outer);
    const into = asNode(asNode(node['intoClause'])['rel']);
    if (typeof into['relname'] === 'string') this.#deeds.push(selectInto(into));
    // Without a table there is no row to lock.
    const locks = node['fromClause'] === undefined ? ['lockingClause'] : [];
    this.#fields(node, scope, ['withClause', 'intoClause', ...locks]);
  }

  /** What follows a WITH sees its names; its queries see those before them, and with RECURSIVE all. */
  #withNames(clause: unknown, outer: Scope): Scope {
    if (!isNode(clause)) return outer;
    const expressions = asList(clause['ctes']).map((item) => asNode(asNode(item)['CommonTableExpr']));
    const names = expressions.map((expression) => asText(expression['ctename']) ?? '');
    for (const name of names) this.#aliases.set(name, undefined);
    this.#readsTablesOnly = false;
    const all = new Set([...outer, ...names]);
    for (const [index, expression] of expressions.entries()) {
      const before = new Set([...outer, ...names.slice(0, index)]);
      this.#fields(expression, clause['recursive'] === true ? all : before);
    }
    return all;
  }

  #relation(node: Node, scope: Scope): void {
    const name = asText(node['relname']) ?? '';
    const schema = asText(node['schemaname']);
    const alias = asText(asNode(node['alias'])['aliasname']) ?? name;
    if (asNode(node['alias'])['colnames'] !== undefined) this.#readsTablesOnly = false;
    if (schema === undefined && scope.has(name)) {
      this.#aliases.set(alias, undefined);
      return;
    }
    const relation = { schema, name, isOnly: node['inh'] !== true };
    const known = this.#aliases.get(alias);
    const isSame = !this.#aliases.has(alias) || (known?.schema === schema && known?.name === name);
    this.#aliases.set(alias, isSame ? relation : undefined);
    this.#relations.push(relation);
  }

  #type(node: Node, scope: Scope): void {
    const path = words(node['names']);
    const name = path.at(-1);
    if (name !== undefined) this.#types.push({ schema: path.at(-2), name });
    this.visit(node['typmods'], scope);
  }

  #call(node: Node): void {
    const path = words(node['funcname']);
    const values = asList(node['args']);
    const ordered = node['agg_within_group'] === true ? asList(node['agg_order']).length : 0;
    this.#functions.push({
      schema: path.at(-2),
      name: path.at(-1) ?? '',
      argumentCount: values.length + ordered,
      isVariadic: node['func_variadic'] === true,
      texts: values.map(literalText),
      names: values.map(nameGiven),
      plainTexts: values.map((value) => {
        return plainTextOf(nameGiven(value) === undefined ? value : tagOf(value).fields['arg']);
      }),
      integers: values.map(literalInteger),
      booleans: values.map(literalBoolean),
      // What is given by name may stand anywhere.
      arguments: values.some((value) => nameGiven(value) !== undefined) ? [] : values.map(argumentOf),
    });
  }

  #expression(node: Node): void {
    const operands = node['lexpr'] === undefined ? 1 : 2;
    const between = BETWEEN[asText(node['kind']) ?? ''];
    if (between) for (const name of between) this.#operator(undefined, 2, name);
    else {
      const given = node['kind'] === 'AEXPR_OP' ? [node['lexpr'], node['rexpr']].slice(2 - operands) : [];
      this.#operator(node['name'], operands, undefined, given.map(argumentOf));
    }
  }

  #operator(name: unknown, operands: 1 | 2, otherwise?: string, given: readonly Argument[] = []): void {
    const path = words(name);
    const last = path.at(-1) ?? otherwise;
    if (last !== undefined)
      this.#operators.push({ schema: path.at(-2), name: last, operands, arguments: given });
  }

  #hide(alias: unknown): void {
    this.#readsTablesOnly = false;
    const name = asText(asNode(alias)['aliasname']);
    if (name !== undefined) this.#aliases.set(name, undefined);
  }
}

/** A MERGE whose every action is DO NOTHING: it only reads, fires no trigger, and a standby runs it. */
function doesNothing(statement: Node): boolean {
  const clauses = asList(statement['mergeWhenClauses']).map((item) =>
    asNode(asNode(item)['MergeWhenClause']),
  );
  return clauses.length > 0 && clauses.every(({ commandType }) => commandType === 'CMD_NOTHING');
}

function nameGiven(argument: unknown): string | undefined {
  const { tag, fields } = tagOf(argument);
  return tag === 'NamedArgExpr' ? asText(fields['name']) : undefined;
}

function selectInto(into: Node): Obstacle {
  const detail = 'SELECT INTO';
  return isTemporary(into)
    ? temporaryObject(detail)
    : { kind: 'primary', reason: 'write', detail, writes: true };
}

function lockName({ strength }: Node): string {
  switch (strength) {
    case 'LCS_FORKEYSHARE':
      return 'FOR KEY SHARE';
    case 'LCS_FORSHARE':
      return 'FOR SHARE';
    case 'LCS_FORNOKEYUPDATE':
      return 'FOR NO KEY UPDATE';
    default:
      return 'FOR UPDATE';
  }
}
