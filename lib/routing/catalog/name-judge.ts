import { PLAIN_TYPES } from '../statement/arguments.js';
import type {
  Argument,
  FunctionCall,
  Mentions,
  Name,
  OperatorUse,
  Projection,
  RelationName,
} from '../statement/mentions.js';
import { readStatement, type Reading } from '../statement/reading.js';
import type { Obstacle } from '../statement/statement-class.js';
import { parseStatements } from '../statement/syntax.js';
import { OPENS_TO_READ, READS_SCHEMA, READS_TABLE, RUNS_TEXT, TAKES_TYPE_NAME } from './builtin-functions.js';
import type { Catalog } from './catalog.js';
import type { FunctionEntry } from './entries.js';
import { asInBody, inCode } from './code.js';
import { readBlock } from './function-body.js';
import { judgeLocalSetting, judgeSettingRead } from './local-settings.js';
import { ObjectJudge, type Mode, type ObjectJudgeParts } from './object-judge.js';
import { fittingOverloads, isString, TEXT, type KnownArgument } from './overloads.js';
import { TEMPLATE_OPERATOR } from './text-template.js';
import { Trials } from './trials.js';

type Options = Pick<ObjectJudgeParts, 'safeFunctions' | 'accountsDiffer'>;
type JudgeUnder = (path: readonly string[]) => NameJudge;

const NO_LITERALS: Pick<FunctionCall, 'plainTexts' | 'integers' | 'booleans'> = {
  plainTexts: [],
  integers: [],
  booleans: [],
};

/** For the statements of the catalog's role. */
export function nameJudge(catalog: Catalog, options: Options): NameJudge {
  const { searchPath, own } = catalog.entries;
  const trials = new Trials();
  const judges = new Map<string, NameJudge>();
  const underPath: JudgeUnder = (path) => {
    const key = JSON.stringify(path);
    const judge = judges.get(key) ?? new NameJudge(catalog, path, { ...options, trials }, underPath);
    judges.set(key, judge);
    return judge;
  };
  const paths = own.functions.map((entry) => entry.searchPath ?? searchPath);
  const all = new Set([searchPath, ...paths].map(underPath));
  // A second round takes in what the first has found.
  for (let round = 0; round < 2; round++) {
    for (const judge of all) judge.loadTypes();
    trials.forgetAcquittals();
  }
  return underPath(searchPath);
}

/** Says of what statements mention, by the names that a search_path gives it, what keeps them from a replica. */
export class NameJudge {
  readonly #catalog: Catalog;
  readonly #path: readonly string[];
  readonly #objects: ObjectJudge;
  /** `'x'::text` may be another text than `'x'`. */
  readonly #hasOwnTexts: boolean;

  constructor(
    catalog: Catalog,
    path: readonly string[],
    options: Options & Pick<ObjectJudgeParts, 'trials'>,
    underPath: JudgeUnder,
  ) {
    this.#catalog = catalog;
    this.#path = path;
    this.#hasOwnTexts = PLAIN_TYPES.some((name) => catalog.type({ name }, path)?.isBuiltin === false);
    this.#objects = new ObjectJudge({
      ...options,
      catalog,
      path,
      judgeReadings: (readings, mode) =>
        readings.flatMap((reading) => this.judge({ ...asInBody(reading), ...(mode === 'plan' && { mode }) })),
      underPath: (other) => underPath(other).#objects,
    });
  }

  loadTypes(): void {
    this.#objects.loadTypes();
  }

  /** Every obstacle in a statement: by its syntax, and by what its names mean. */
  judge(reading: Reading): readonly Obstacle[] {
    if (!reading.code) return this.#judge(reading);
    const { reason, block } = reading.code;
    return inCode(reason, block === undefined ? this.#judge(reading) : this.#block(block));
  }

  #block(source: string): readonly Obstacle[] {
    const body = readBlock(source);
    if (!body || body.templates.length > 0)
      return [{ kind: 'primary', reason: 'code-block', detail: 'DO', writes: true }];
    return body.readings.flatMap((reading) => this.judge(asInBody(reading)));
  }

  #judge(reading: Reading): readonly Obstacle[] {
    const { mentions, mode } = reading;
    const found: (Obstacle | undefined)[] = mode === 'plan' && mentions ? [] : [...reading.obstacles];
    if (!mentions) return found.filter((obstacle) => obstacle !== undefined);
    found.push(this.#objects.anyStatement(mode));
    for (const call of mentions.functions) found.push(...this.#call(call, mentions, mode));
    for (const name of mentions.relations) found.push(this.#relation(name, mentions, mode));
    for (const name of mentions.types) found.push(this.#type(name, mode));
    for (const use of mentions.operators) found.push(...this.#operator(use, mentions, mode));
    found.push(this.#cast(mentions, mode));
    for (const projection of mentions.projections) found.push(...this.#projection(projection, mode));
    return found.filter((obstacle) => obstacle !== undefined);
  }

  #relation(name: RelationName, { deeds, readsColumns }: Mentions, mode: Mode): Obstacle | undefined {
    const relation = this.#catalog.relation(name, this.#path);
    if (!relation) return unknown('relation', name);
    const isWritten = deeds.some(({ reason }) => reason === 'write');
    const found = this.#objects.relation(relation.oid, mode, { isWritten, isOnly: name.isOnly });
    // It has one row on every node.
    return found?.reason === 'sequence' && relation.kind === 'S' && !readsColumns ? undefined : found;
  }

  #call(given: FunctionCall, mentions: Mentions, mode: Mode): readonly (Obstacle | undefined)[] {
    const call = this.#hasOwnTexts ? { ...given, plainTexts: given.plainTexts.map(() => undefined) } : given;
    const named = this.#catalog.functions(call, this.#path);
    const asType = call.argumentCount === 1 ? this.#catalog.type(call, this.#path) : undefined;
    const cast = asType && this.#objects.type(asType.oid, mode);
    if (named.length === 0) return [asType ? cast : unknown('function', call)];
    const fitting = fittingOverloads(
      named,
      call.isVariadic ? [] : this.#known(call.arguments, mentions),
      (from, to) => this.#catalog.canCoerce(from, to),
    );
    // If none fits, something about the types is not what it seems.
    const candidates = fitting.length > 0 ? fitting : named;
    const special = this.#special(call, candidates, mode);
    if (special) return special;
    return [
      cast,
      ...candidates.flatMap(({ oid }) => [
        this.#objects.call(oid, call, mode),
        this.#objects.defaults(oid, call.argumentCount, mode),
      ]),
    ];
  }

  /** Functions of which an argument says what they do. */
  #special(
    { name, names, ...given }: FunctionCall,
    candidates: readonly FunctionEntry[],
    mode: Mode,
  ): readonly (Obstacle | undefined)[] | undefined {
    // By name they come in any order.
    const isInOrder = names.every((argument) => argument === undefined);
    const { plainTexts: texts, integers, booleans } = isInOrder ? given : NO_LITERALS;
    if (!candidates.every(({ isBuiltin, extension }) => isBuiltin || extension !== undefined))
      return undefined;
    if (name === 'set_config' && mode === 'run') {
      // It ends with the statement's own transaction.
      if (booleans[2] === true) return [judgeLocalSetting(texts[0])];
      const remedy = 'use getConnection(), or transaction() with SET LOCAL';
      return [{ kind: 'session', reason: 'setting', detail: 'set_config()', remedy }];
    }
    if (name === 'current_setting' && mode === 'run') return [judgeSettingRead(texts[0])];
    if (name === 'lo_open' && integers[1] === OPENS_TO_READ) return [];
    if (TAKES_TYPE_NAME.includes(name)) {
      const cast = texts[1] === undefined ? undefined : `SELECT NULL::${texts[1]}`;
      return (cast === undefined ? undefined : this.#text(cast, mode)) ?? [this.#objects.anyType];
    }
    if (READS_SCHEMA.includes(name) && texts[0] !== undefined)
      return this.#catalog.relationsIn(texts[0]).map(({ oid }) => this.#objects.relation(oid, mode));
    const table = READS_TABLE.includes(name) ? texts[0] : undefined;
    const text = table === undefined ? texts[RUNS_TEXT[name] ?? -1] : `TABLE ${table}`;
    return text === undefined ? undefined : this.#text(text, mode);
  }

  /** Statements within a literal; undefined where they can't be parsed. */
  #text(text: string, mode: Mode): readonly Obstacle[] | undefined {
    try {
      const readings = parseStatements(text).map(readStatement);
      return readings.flatMap((reading) => this.judge({ ...reading, mode }));
    } catch {
      return undefined;
    }
  }

  #type(name: Name, mode: Mode): Obstacle | undefined {
    const type = this.#catalog.type(name, this.#path);
    return type ? this.#objects.type(type.oid, mode) : unknown('type', name);
  }

  #cast({ types, functions, relations }: Mentions, mode: Mode): Obstacle | undefined {
    const named = types.map((name) => this.#catalog.type(name, this.#path)?.oid ?? 0);
    // `int4(x)` is a cast, too.
    const asCalls = functions.filter(({ argumentCount }) => argumentCount === 1);
    const targets = [...named, ...asCalls.map((name) => this.#catalog.type(name, this.#path)?.oid ?? 0)];
    if (targets.length === 0) return undefined;
    const tables = relations.flatMap((name) => {
      const relation = this.#catalog.relation(name, this.#path);
      return relation ? [relation.rowType, ...relation.types] : [];
    });
    const results = functions.flatMap((call) =>
      this.#catalog.functions(call, this.#path).flatMap((entry) => (entry.isBuiltin ? [] : entry.types)),
    );
    return this.#objects.cast(targets, [...named, ...tables, ...results], mode);
  }

  #operator(use: OperatorUse, mentions: Mentions, mode: Mode): readonly (Obstacle | undefined)[] {
    const named = this.#catalog.operators(use, this.#path);
    const own = fittingOverloads(named, this.#known(use.arguments, mentions), (from, to) =>
      this.#catalog.canCoerce(from, to),
    );
    if (named.length > 0) return own.map(({ oid }) => this.#objects.operator(oid, mode, mentions.negates));
    return [this.#catalog.hasBuiltinOperator(use) ? undefined : unknown('operator', use)];
  }

  /** `x.name` calls the function `name` on `x`, or casts it to the type, if `x` has no such column. */
  #projection({ name, relation }: Projection, mode: Mode): readonly (Obstacle | undefined)[] {
    const table = relation && this.#catalog.relation(relation, this.#path);
    if (table && this.#catalog.hasColumn(table.oid, name)) return [];
    const type = this.#catalog.type({ name }, this.#path);
    const called = this.#catalog.functions({ name }, this.#path).filter(({ minimum, maximum, types }) => {
      if (minimum > 1 || maximum < 1) return false;
      return relation === undefined || this.#takesRow(types[0] ?? 0);
    });
    return [
      // Not even a row is cast to a row type that way.
      type && type.relation === undefined ? this.#objects.type(type.oid, mode) : undefined,
      ...called.map(({ oid }) => this.#objects.function(oid, mode)),
    ];
  }

  /** What is known of the arguments of a call; of a column, all that columns of its name can be. */
  #known(given: readonly Argument[], mentions: Mentions): readonly KnownArgument[] {
    const { readsTablesOnly, aliases } = mentions;
    return given.map((argument) => {
      switch (argument.kind) {
        case 'untyped':
          return 'untyped';
        case 'typed': {
          const type = this.#catalog.type(argument.type, this.#path);
          return type && [type.oid];
        }
        case 'column': {
          if (!readsTablesOnly || aliases.has(argument.name)) return undefined;
          const types = this.#catalog.columnTypes(argument.name);
          return types.length > 0 ? types : undefined;
        }
        case 'joined':
          return this.#areJoined(this.#known(argument.parts, mentions)) ? [TEXT] : undefined;
        case 'other':
          return undefined;
      }
    });
  }

  /** Whether `||` between them is that of texts. */
  #areJoined(parts: readonly KnownArgument[]): boolean {
    const join = { name: TEMPLATE_OPERATOR, operands: 2, arguments: [] } as const;
    const ofTexts = { parameters: [TEXT, TEXT] };
    const joins = [ofTexts, ...this.#catalog.operators(join, this.#path)];
    const fitting = fittingOverloads(joins, parts, (from, to) => this.#catalog.canCoerce(from, to));
    const areTexts = parts.every((types) => types === 'untyped' || types?.every(isString) === true);
    return areTexts && fitting.length === 1 && fitting[0] === ofTexts;
  }

  #takesRow(type: number): boolean {
    const { kind, parts: [base = 0] = [] } = this.#catalog.typeByOid(type) ?? {};
    return kind === 'c' || kind === 'p' || (kind === 'd' && this.#takesRow(base));
  }
}

function unknown(kind: string, { schema, name }: Name): Obstacle {
  const detail = `the ${kind} ${schema === undefined ? '' : `${schema}.`}${name}`;
  return { kind: 'primary', reason: 'unknown-name', detail, writes: true };
}
