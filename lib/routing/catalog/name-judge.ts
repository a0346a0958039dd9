import type { FunctionCall, Mentions, Name, OperatorUse, Projection } from '../statement/mentions.js';
import { readStatement, type Reading } from '../statement/reading.js';
import type { Obstacle } from '../statement/statement-class.js';
import { parseStatements } from '../statement/syntax.js';
import { READS_TABLE, RUNS_TEXT, TAKES_TYPE_NAME } from './builtin-functions.js';
import type { Catalog } from './catalog.js';
import type { FunctionEntry } from './entries.js';
import { ObjectJudge, type Mode } from './object-judge.js';

/** Says of what statements mention what keeps them from a replica. */
export class NameJudge {
  readonly #catalog: Catalog;
  readonly #objects: ObjectJudge;

  constructor(catalog: Catalog, safeFunctions: ReadonlySet<string>) {
    this.#catalog = catalog;
    this.#objects = new ObjectJudge({
      catalog,
      safeFunctions,
      judgeReadings: (readings, mode, path) =>
        readings.flatMap((reading) => this.judge(mode === 'plan' ? { ...reading, mode } : reading, path)),
    });
  }

  /** Every obstacle in a statement: by its syntax, and by what its names mean. */
  judge(reading: Reading, path = this.#catalog.entries.searchPath): readonly Obstacle[] {
    const { mentions, mode } = reading;
    const found: (Obstacle | undefined)[] = mode === 'plan' && mentions ? [] : [...reading.obstacles];
    if (!mentions) return found.filter((obstacle) => obstacle !== undefined);
    const isWritten = mentions.deeds.some(({ reason }) => reason === 'write');
    found.push(this.#objects.anyStatement(mode));
    for (const call of mentions.functions) found.push(...this.#call(call, mode, path));
    for (const name of mentions.relations) {
      const relation = this.#catalog.relation(name, path);
      found.push(
        relation
          ? this.#objects.relation(relation.oid, mode, { isWritten, isOnly: name.isOnly })
          : unknown('relation', name),
      );
    }
    for (const name of mentions.types) found.push(this.#type(name, mode, path));
    for (const use of mentions.operators) found.push(...this.#operator(use, mode, path));
    found.push(this.#cast(mentions, mode, path));
    for (const projection of mentions.projections) found.push(...this.#projection(projection, mode, path));
    return found.filter((obstacle) => obstacle !== undefined);
  }

  #call(call: FunctionCall, mode: Mode, path: readonly string[]): readonly (Obstacle | undefined)[] {
    const candidates = this.#catalog.functions(call, path);
    const asType = call.argumentCount === 1 ? this.#catalog.type(call, path) : undefined;
    const cast = asType && this.#objects.type(asType.oid, mode);
    if (candidates.length === 0) {
      const isColumn = call.argumentCount === 1 && this.#isColumn(call.name);
      return asType || isColumn ? [cast] : [unknown('function', call)];
    }
    const special = this.#special(call, candidates, mode, path);
    if (special) return special;
    return [
      cast,
      ...candidates.flatMap(({ oid }) => [
        this.#objects.function(oid, mode),
        this.#objects.defaults(oid, call.argumentCount, mode),
      ]),
    ];
  }

  /** Functions of which an argument says what they do. */
  #special(
    { name, texts, booleans }: FunctionCall,
    candidates: readonly FunctionEntry[],
    mode: Mode,
    path: readonly string[],
  ): readonly (Obstacle | undefined)[] | undefined {
    if (!candidates.every(({ isBuiltin, extension }) => isBuiltin || extension !== undefined))
      return undefined;
    if (name === 'set_config' && booleans[2] !== true && mode === 'run') {
      const remedy = 'use getConnection(), or transaction() with SET LOCAL';
      return [{ kind: 'session', reason: 'setting', detail: 'set_config()', remedy }];
    }
    if (TAKES_TYPE_NAME.includes(name)) {
      const type = texts[1] === undefined ? undefined : typeNamed(texts[1]);
      return [type ? this.#type(type, mode, path) : this.#objects.anyType];
    }
    const table = READS_TABLE.includes(name) ? texts[0] : undefined;
    const text = table === undefined ? texts[RUNS_TEXT[name] ?? -1] : `TABLE ${table}`;
    if (text === undefined) return undefined;
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

  #operator(use: OperatorUse, mode: Mode, path: readonly string[]): readonly (Obstacle | undefined)[] {
    const own = this.#catalog.operators(use, path);
    if (own.length > 0) return own.map(({ oid }) => this.#objects.operator(oid, mode));
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

  #takesRow(type: number): boolean {
    const kind = this.#catalog.typeByOid(type)?.kind;
    return kind === 'c' || kind === 'p';
  }

  #isColumn(name: string): boolean {
    return this.#catalog.entries.own.columnNames.has(name);
  }
}

function typeNamed(text: string): Name | undefined {
  const [name, schema, ...rest] = text.trim().split('.').toReversed();
  if (name === undefined || rest.length > 0 || !/^[\w ]+$/.test(name)) return undefined;
  return { schema, name: name.toLowerCase() };
}

function unknown(kind: string, { schema, name }: Name): Obstacle {
  const detail = `the ${kind} ${schema === undefined ? '' : `${schema}.`}${name}`;
  return { kind: 'primary', reason: 'unknown-name', detail, writes: true };
}
