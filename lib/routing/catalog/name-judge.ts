import type {
  Argument,
  FunctionCall,
  Mentions,
  Name,
  OperatorUse,
  Projection,
} from '../statement/mentions.js';
import { readStatement, type Reading } from '../statement/reading.js';
import type { Obstacle } from '../statement/statement-class.js';
import { parseStatements } from '../statement/syntax.js';
import { OPENS_TO_READ, READS_SCHEMA, READS_TABLE, RUNS_TEXT, TAKES_TYPE_NAME } from './builtin-functions.js';
import type { Catalog } from './catalog.js';
import type { FunctionEntry } from './entries.js';
import { asInBody, inCode } from './code.js';
import { readBlock } from './function-body.js';
import { judgeLocalSetting } from './local-settings.js';
import { ObjectJudge, type Mode, type ObjectJudgeParts } from './object-judge.js';
import { fittingOverloads, type KnownArgument } from './overloads.js';

/** Says of what statements mention what keeps them from a replica. */
export class NameJudge {
  readonly #catalog: Catalog;
  readonly #objects: ObjectJudge;

  constructor(
    catalog: Catalog,
    { safeFunctions, accountsDiffer }: Pick<ObjectJudgeParts, 'safeFunctions' | 'accountsDiffer'>,
  ) {
    this.#catalog = catalog;
    this.#objects = new ObjectJudge({
      catalog,
      safeFunctions,
      accountsDiffer,
      judgeReadings: (readings, mode, path) =>
        readings.flatMap((reading) =>
          this.judge({ ...asInBody(reading), ...(mode === 'plan' && { mode }) }, path),
        ),
    });
    this.#objects.prepare();
  }

  /** Every obstacle in a statement: by its syntax, and by what its names mean. */
  judge(reading: Reading, path = this.#catalog.entries.searchPath): readonly Obstacle[] {
    if (!reading.code) return this.#judge(reading, path);
    const { reason, block } = reading.code;
    return inCode(reason, block === undefined ? this.#judge(reading, path) : this.#block(block, path));
  }

  #block(source: string, path: readonly string[]): readonly Obstacle[] {
    const body = readBlock(source);
    if (!body || body.templates.length > 0)
      return [{ kind: 'primary', reason: 'code-block', detail: 'DO', writes: true }];
    return body.readings.flatMap((reading) => this.judge(asInBody(reading), path));
  }

  #judge(reading: Reading, path: readonly string[]): readonly Obstacle[] {
    const { mentions, mode } = reading;
    const found: (Obstacle | undefined)[] = mode === 'plan' && mentions ? [] : [...reading.obstacles];
    if (!mentions) return found.filter((obstacle) => obstacle !== undefined);
    const isWritten = mentions.deeds.some(({ reason }) => reason === 'write');
    found.push(this.#objects.anyStatement(mode));
    for (const call of mentions.functions) found.push(...this.#call(call, mentions, mode, path));
    for (const name of mentions.relations) {
      const relation = this.#catalog.relation(name, path);
      found.push(
        relation
          ? this.#objects.relation(relation.oid, mode, { isWritten, isOnly: name.isOnly })
          : unknown('relation', name),
      );
    }
    for (const name of mentions.types) found.push(this.#type(name, mode, path));
    for (const use of mentions.operators) found.push(...this.#operator(use, mentions, mode, path));
    found.push(this.#cast(mentions, mode, path));
    for (const projection of mentions.projections) found.push(...this.#projection(projection, mode, path));
    return found.filter((obstacle) => obstacle !== undefined);
  }

  #call(
    call: FunctionCall,
    mentions: Mentions,
    mode: Mode,
    path: readonly string[],
  ): readonly (Obstacle | undefined)[] {
    const byName = this.#catalog.functions({ schema: call.schema, name: call.name }, path);
    if (call.isProcedure && byName.some(({ givesBack }) => givesBack)) return this.#procedure(byName, mode);
    const named = this.#catalog.functions(call, path);
    const asType = call.argumentCount === 1 ? this.#catalog.type(call, path) : undefined;
    const cast = asType && this.#objects.type(asType.oid, mode);
    if (named.length === 0) return [asType ? cast : unknown('function', call)];
    const fitting = fittingOverloads(
      named,
      call.isVariadic ? [] : this.#known(call.arguments, mentions, path),
      (from, to) => this.#catalog.canCoerce(from, to),
    );
    // If none fits, something about the types is not what it seems.
    const candidates = fitting.length > 0 ? fitting : named;
    const special = this.#special(call, candidates, mode, path);
    if (special) return special;
    return [
      cast,
      ...candidates.flatMap(({ oid }) => [
        this.#objects.call(oid, call, mode),
        this.#objects.defaults(oid, call.argumentCount, mode),
      ]),
    ];
  }

  /**
   * In a CALL what is only given back takes a place, too, though not in the catalog: then neither how many nor
   * which arguments there are tells overloads apart, or what is left to the defaults.
   */
  #procedure(named: readonly FunctionEntry[], mode: Mode): readonly (Obstacle | undefined)[] {
    return named.flatMap(({ oid }) => [
      this.#objects.function(oid, mode),
      this.#objects.defaults(oid, 0, mode),
    ]);
  }

  /** Functions of which an argument says what they do. */
  #special(
    { name, texts, integers, booleans }: FunctionCall,
    candidates: readonly FunctionEntry[],
    mode: Mode,
    path: readonly string[],
  ): readonly (Obstacle | undefined)[] | undefined {
    if (!candidates.every(({ isBuiltin, extension }) => isBuiltin || extension !== undefined))
      return undefined;
    if (name === 'set_config' && mode === 'run') {
      // It ends with the statement's own transaction.
      if (booleans[2] === true) return [judgeLocalSetting(texts[0])];
      const remedy = 'use getConnection(), or transaction() with SET LOCAL';
      return [{ kind: 'session', reason: 'setting', detail: 'set_config()', remedy }];
    }
    if (name === 'lo_open' && integers[1] === OPENS_TO_READ) return [];
    if (TAKES_TYPE_NAME.includes(name)) {
      const cast = texts[1] === undefined ? undefined : `SELECT NULL::${texts[1]}`;
      return (cast === undefined ? undefined : this.#text(cast, mode, path)) ?? [this.#objects.anyType];
    }
    if (READS_SCHEMA.includes(name) && texts[0] !== undefined)
      return this.#catalog.relationsIn(texts[0]).map(({ oid }) => this.#objects.relation(oid, mode));
    const table = READS_TABLE.includes(name) ? texts[0] : undefined;
    const text = table === undefined ? texts[RUNS_TEXT[name] ?? -1] : `TABLE ${table}`;
    return text === undefined ? undefined : this.#text(text, mode, path);
  }

  /** Statements within a literal; undefined where they can't be parsed. */
  #text(text: string, mode: Mode, path: readonly string[]): readonly Obstacle[] | undefined {
    try {
      const readings = parseStatements(text).map(readStatement);
      return readings.flatMap((reading) => this.judge({ ...reading, mode }, path));
    } catch {
      return undefined;
    }
  }

  #type(name: Name, mode: Mode, path: readonly string[]): Obstacle | undefined {
    const type = this.#catalog.type(name, path);
    return type ? this.#objects.type(type.oid, mode) : unknown('type', name);
  }

  #cast(
    { types, functions, relations }: Mentions,
    mode: Mode,
    path: readonly string[],
  ): Obstacle | undefined {
    const named = types.map((name) => this.#catalog.type(name, path)?.oid ?? 0);
    // `int4(x)` is a cast, too.
    const asCalls = functions.filter(({ argumentCount }) => argumentCount === 1);
    const targets = [...named, ...asCalls.map((name) => this.#catalog.type(name, path)?.oid ?? 0)];
    if (targets.length === 0) return undefined;
    const tables = relations.flatMap((name) => {
      const relation = this.#catalog.relation(name, path);
      return relation ? [relation.rowType, ...relation.types] : [];
    });
    const results = functions.flatMap((call) =>
      this.#catalog.functions(call, path).flatMap((entry) => (entry.isBuiltin ? [] : entry.types)),
    );
    return this.#objects.cast(targets, [...named, ...tables, ...results], mode);
  }

  #operator(
    use: OperatorUse,
    mentions: Mentions,
    mode: Mode,
    path: readonly string[],
  ): readonly (Obstacle | undefined)[] {
    const named = this.#catalog.operators(use, path);
    const own = fittingOverloads(named, this.#known(use.arguments, mentions, path), (from, to) =>
      this.#catalog.canCoerce(from, to),
    );
    if (named.length > 0) return own.map(({ oid }) => this.#objects.operator(oid, mode, mentions.negates));
    return [this.#catalog.hasBuiltinOperator(use) ? undefined : unknown('operator', use)];
  }

  /** `x.name` calls the function `name` on `x` if `x` has no such column. */
  #projection(
    { name, relation, ofAnyType }: Projection,
    mode: Mode,
    path: readonly string[],
  ): readonly (Obstacle | undefined)[] {
    const candidates = this.#catalog.functions({ name }, path).filter(({ minimum, maximum, types }) => {
      if (minimum > 1 || maximum < 1) return false;
      return ofAnyType || this.#takesRow(types[0] ?? 0);
    });
    if (candidates.length === 0) return [];
    const table = relation && this.#catalog.relation(relation, path);
    if (table && this.#catalog.hasColumn(table.oid, name)) return [];
    return candidates.map(({ oid }) => this.#objects.function(oid, mode));
  }

  /** What is known of the arguments of a call; of a column, all that columns of its name can be. */
  #known(
    given: readonly Argument[],
    { readsTablesOnly, aliases }: Mentions,
    path: readonly string[],
  ): readonly KnownArgument[] {
    return given.map((argument) => {
      switch (argument.kind) {
        case 'untyped':
          return 'untyped';
        case 'typed': {
          const type = this.#catalog.type(argument.type, path);
          return type && [type.oid];
        }
        case 'column': {
          if (!readsTablesOnly || aliases.has(argument.name)) return undefined;
          const types = this.#catalog.columnTypes(argument.name);
          return types.length > 0 ? types : undefined;
        }
        case 'other':
          return undefined;
      }
    });
  }

  #takesRow(type: number): boolean {
    const kind = this.#catalog.typeByOid(type)?.kind;
    return kind === 'c' || kind === 'p';
  }
}

function unknown(kind: string, { schema, name }: Name): Obstacle {
  const detail = `the ${kind} ${schema === undefined ? '' : `${schema}.`}${name}`;
  return { kind: 'primary', reason: 'unknown-name', detail, writes: true };
}
