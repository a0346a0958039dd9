import type { FunctionCall, Name, OperatorUse } from '../statement/mentions.js';
import { maySetLocally } from './local-settings.js';
import type {
  CatalogEntries,
  FunctionEntry,
  OperatorEntry,
  RelationEntry,
  RuleEntry,
  TypeEntry,
} from './entries.js';

/** What is written in them, and not to be read, sets nothing for others as a rule; in PL/Python and its kin it may. */
const SETS_NOTHING = ['internal', 'c', 'sql', 'plpgsql'];

/**
 * What names mean in one database, for one role and search_path, at one moment. Never changes: a newer one
 * takes its place.
 */
export class Catalog {
  readonly entries: CatalogEntries;
  /** As a connection's identity words it. */
  readonly searchPathText: string;
  readonly #functions: ReadonlyMap<string, readonly FunctionEntry[]>;
  readonly #functionsByOid: ReadonlyMap<number, FunctionEntry>;
  readonly #relations: ReadonlyMap<string, readonly RelationEntry[]>;
  readonly #relationsByOid: ReadonlyMap<number, RelationEntry>;
  readonly #types: ReadonlyMap<string, readonly TypeEntry[]>;
  readonly #typesByOid: ReadonlyMap<number, TypeEntry>;
  readonly #operators: ReadonlyMap<string, readonly OperatorEntry[]>;
  readonly #operatorsByOid: ReadonlyMap<number, OperatorEntry>;
  readonly #rules: ReadonlyMap<number, readonly RuleEntry[]>;
  /** A function of the database's own may set something until the end of the transaction that calls it. */
  readonly setsLocally: boolean;
  readonly #children: ReadonlyMap<number, readonly number[]>;
  readonly #indexFunctions: ReadonlyMap<number, readonly number[]>;
  readonly #columnTypes: Map<string, readonly number[]>;
  readonly #implicitCasts: ReadonlySet<string>;
  readonly #columns: ReadonlyMap<string, ReadonlySet<number>>;
  readonly #sources: ReadonlyMap<string, FunctionEntry>;

  constructor(entries: CatalogEntries) {
    const { builtin, own } = entries;
    this.entries = entries;
    // The connection that it was read on may have had temporary objects.
    this.searchPathText = JSON.stringify(
      entries.searchPath.filter((schema) => !schema.startsWith('pg_temp_')),
    );
    const functions = [...builtin.functions, ...own.functions];
    const relations = [...builtin.relations, ...own.relations];
    const types = [...builtin.types, ...own.types];
    this.#functions = byName(functions);
    this.#functionsByOid = byOid(functions);
    this.#relations = byName(relations);
    this.#relationsByOid = byOid(relations);
    this.#types = byName(types);
    this.#typesByOid = byOid(types);
    this.#operators = byName(own.operators);
    this.#operatorsByOid = byOid(own.operators);
    this.#rules = group([...builtin.rules, ...own.rules], ({ relation }) => relation);
    const children = group(own.children, ({ parent }) => parent);
    this.#children = new Map(
      [...children].map(([parent, links]) => [parent, links.map(({ child }) => child)]),
    );
    const columns = group(own.columnsLikeFunctions, ({ name }) => name);
    this.#columns = new Map(
      [...columns].map(([name, found]) => [name, new Set(found.map(({ relation }) => relation))]),
    );
    const classes = byOid(own.operatorClasses);
    const indexes = group(own.indexes, ({ relation }) => relation);
    this.#indexFunctions = new Map(
      [...indexes].map(([relation, links]) => [
        relation,
        links.flatMap(({ operatorClass }) => classes.get(operatorClass)?.functions ?? []),
      ]),
    );
    this.#columnTypes = new Map(own.columns.map(({ name, types }) => [name, types]));
    for (const { name, types } of builtin.columns) {
      this.#columnTypes.set(name, [...types, ...(this.#columnTypes.get(name) ?? [])]);
    }
    this.#implicitCasts = new Set([...builtin.implicitCasts, ...own.implicitCasts]);
    const internal = builtin.functions.filter(({ language }) => language === 'internal');
    this.setsLocally = own.functions.some(({ language, definition }) =>
      definition === null ? !SETS_NOTHING.includes(language) : maySetLocally(definition),
    );
    this.#sources = new Map(internal.map((entry) => [entry.source ?? '', entry]));
  }

  get fingerprint(): string {
    return this.entries.fingerprint;
  }

  /**
   * Every overload that a call could mean. An overload in a later schema of the path wins if its argument
   * types match better, so all schemas count (manual, "Function Type Resolution").
   */
  functions(call: Name & Partial<FunctionCall>, path = this.entries.searchPath): readonly FunctionEntry[] {
    const visible = withoutShadowed(inPath(this.#functions.get(call.name), call, path), path);
    const { argumentCount, isVariadic } = call;
    if (argumentCount === undefined || isVariadic === true) return visible;
    const fitting = visible.filter(
      ({ minimum, maximum }) => minimum <= argumentCount && argumentCount <= maximum,
    );
    return fitting.length > 0 ? fitting : visible;
  }

  /**
   * The relation a name stands for on a connection that nobody holds, where no temporary one hides it: those
   * belong to other connections. One counts only where nothing else has the name.
   */
  relation(name: Name, path = this.entries.searchPath): RelationEntry | undefined {
    const named = this.#relations.get(name.name);
    if (name.schema !== undefined) return named?.find(({ schema }) => schema === name.schema);
    return (
      first(path, (schema) => named?.find((relation) => relation.schema === schema)) ??
      named?.find(({ persistence }) => persistence === 't')
    );
  }

  /** Tables and views; of the user's own. */
  relationsIn(schema: string): readonly RelationEntry[] {
    return this.entries.own.relations.filter((entry) => entry.schema === schema && /[rpvm]/.test(entry.kind));
  }

  type(name: Name, path = this.entries.searchPath): TypeEntry | undefined {
    const named = this.#types.get(name.name);
    if (name.schema !== undefined) return named?.find(({ schema }) => schema === name.schema);
    return first(path, (schema) => named?.find((type) => type.schema === schema));
  }

  /** The user's own that a name could mean. */
  operators(use: OperatorUse, path = this.entries.searchPath): readonly OperatorEntry[] {
    return inPath(this.#operators.get(use.name), use, path).filter(
      ({ parameters }) => parameters.length === use.operands,
    );
  }

  hasBuiltinOperator({ schema, name }: Name): boolean {
    return (schema === undefined || schema === 'pg_catalog') && this.entries.builtin.operatorNames.has(name);
  }

  /** Whether a relation has a column by a name that is a function's, too. */
  hasColumn(relation: number, name: string): boolean {
    return this.#columns.get(name)?.has(relation) === true;
  }

  /** Every type that columns of this name have; none where there is no such column. */
  columnTypes(name: string): readonly number[] {
    return this.#columnTypes.get(name) ?? [];
  }

  /** Whether a value is taken for another type without a cast; also where that can't be told. */
  canCoerce(from: number, to: number): boolean {
    if (from === to) return true;
    const [source, target] = [this.typeByOid(from), this.typeByOid(to)];
    if (!source || !target || source.kind === 'p' || target.kind === 'p') return true;
    if (source.kind === 'c' && target.kind === 'c') return true;
    // An array is taken where its elements are.
    if (source.kind === 'b' && target.kind === 'b' && source.parts.length * target.parts.length > 0)
      return true;
    if (source.kind === 'd' || target.kind === 'd') {
      const [base] = source.kind === 'd' ? source.parts : target.parts;
      if (base === undefined) return true;
      return source.kind === 'd' ? this.canCoerce(base, to) : this.canCoerce(from, base);
    }
    return this.#implicitCasts.has(`${from} ${to}`);
  }

  functionByOid(oid: number): FunctionEntry | undefined {
    return this.#functionsByOid.get(oid);
  }

  relationByOid(oid: number): RelationEntry | undefined {
    return this.#relationsByOid.get(oid);
  }

  typeByOid(oid: number): TypeEntry | undefined {
    return this.#typesByOid.get(oid);
  }

  operatorByOid(oid: number): OperatorEntry | undefined {
    return this.#operatorsByOid.get(oid);
  }

  rulesOf(relation: number): readonly RuleEntry[] {
    return this.#rules.get(relation) ?? [];
  }

  childrenOf(relation: number): readonly number[] {
    return this.#children.get(relation) ?? [];
  }

  /** Functions of the user's own that searching an index of it may call. */
  indexFunctionsOf(relation: number): readonly number[] {
    return this.#indexFunctions.get(relation) ?? [];
  }

  /** The server's own function that a function in the language `internal` stands for. */
  internal(source: string | null): FunctionEntry | undefined {
    return source === null ? undefined : this.#sources.get(source);
  }
}

function inPath<E extends { readonly schema: string }>(
  named: readonly E[] | undefined,
  { schema }: Name,
  path: readonly string[],
): readonly E[] {
  if (!named) return [];
  return named.filter((entry) =>
    schema === undefined ? path.includes(entry.schema) : entry.schema === schema,
  );
}

/** Of those with the same argument types only the first schema's can be called without naming it. */
function withoutShadowed(
  visible: readonly FunctionEntry[],
  path: readonly string[],
): readonly FunctionEntry[] {
  if (visible.length < 2) return visible;
  const rank = ({ schema }: FunctionEntry) => path.indexOf(schema);
  const signature = ({ types, declared }: FunctionEntry) => types.slice(0, declared).join(' ');
  return visible.filter(
    (entry) =>
      !visible.some(
        (other) =>
          other !== entry &&
          rank(other) < rank(entry) &&
          signature(other) === signature(entry) &&
          entry.kind !== 'p',
      ),
  );
}

function first<T>(schemas: readonly string[], find: (schema: string) => T | undefined): T | undefined {
  for (const schema of schemas) {
    const found = find(schema);
    if (found !== undefined) return found;
  }
  return undefined;
}

function byName<E extends { readonly name: string }>(entries: readonly E[]): Map<string, E[]> {
  return group(entries, ({ name }) => name);
}

function byOid<E extends { readonly oid: number }>(entries: readonly E[]): Map<number, E> {
  return new Map(entries.map((entry) => [entry.oid, entry]));
}

function group<K, E>(entries: readonly E[], keyOf: (entry: E) => K): Map<K, E[]> {
  const groups = new Map<K, E[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    const found = groups.get(key);
    if (found) found.push(entry);
    else groups.set(key, [entry]);
  }
  return groups;
}
