import type { References } from './references.js';

/** A function as `pg_proc` has it, of one overload. */
export interface FunctionEntry {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly isBuiltin: boolean;
  readonly volatility: string;
  readonly kind: string;
  /** Of arguments: of a procedure those too that are only given back, since a CALL gives something for each. */
  readonly minimum: number;
  /** Infinite where the last one is VARIADIC. */
  readonly maximum: number;
  /** Those declared, defaults included. */
  readonly declared: number;
  /** Types of its arguments, but for those that VARIADIC collects. */
  readonly parameters: readonly number[];
  /** Of its arguments, then its result and, of one with columns or OUT arguments, all of them. */
  readonly types: readonly number[];
  readonly language: string;
  /** Of an `internal` one: the name of the server's own function. */
  readonly source: string | null;
  /** CREATE FUNCTION, of one in SQL or PL/pgSQL. */
  readonly definition: string | null;
  readonly searchPath: readonly string[] | undefined;
  /** It runs with settings, or as an account, by which its text is not what it seems. */
  readonly hasOtherMeaning: boolean;
  readonly extension: string | undefined;
  /** Functions that it is made of, if it is an aggregate. */
  readonly parts: readonly number[];
  readonly defaults: References;
}

export interface RelationEntry {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly persistence: string;
  /** Of its columns, only those that are no types of PostgreSQL's own. */
  readonly types: readonly number[];
  /** Its row type. */
  readonly rowType: number;
  /** Policies say who sees which rows. */
  readonly hasRowSecurity: boolean;
}

export interface TypeEntry {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly isBuiltin: boolean;
  readonly kind: string;
  /** What it consists of: base, element, or the bounds of a range. */
  readonly parts: readonly number[];
  /** Of a composite type. */
  readonly relation: number | undefined;
  /** Input, output and the like. */
  readonly functions: readonly number[];
  readonly checks: References;
}

export interface OperatorEntry {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly parameters: readonly number[];
  readonly function: number;
  /** The planner may use these in its place; 0 where there is none. */
  readonly commutator: number;
  readonly negator: number;
}

export interface CastEntry {
  readonly source: number;
  readonly target: number;
  readonly function: number;
  /** Nobody needs to write it: in an expression, or where PL/pgSQL assigns and a function returns. */
  readonly isImplied: boolean;
}

export interface OperatorClassEntry {
  readonly oid: number;
  readonly type: number;
  readonly isDefault: boolean;
  readonly functions: readonly number[];
}

export interface RuleEntry {
  readonly relation: number;
  /** What runs it: reading the relation, too; only writing it; or the planner, of what it folds to a constant. */
  readonly runs: 'read' | 'write' | 'plan';
  readonly references: References;
}

/** All columns of a name, whatever their tables. */
export interface ColumnEntry {
  readonly name: string;
  readonly types: readonly number[];
}

/** What PostgreSQL brings and users make alike. */
interface SharedEntries {
  readonly functions: readonly FunctionEntry[];
  readonly relations: readonly RelationEntry[];
  readonly types: readonly TypeEntry[];
  readonly rules: readonly RuleEntry[];
  readonly columns: readonly ColumnEntry[];
  readonly implicitCasts: readonly string[];
}

/** What PostgreSQL itself brings: the same for as long as the server's version is. */
export interface BuiltinEntries extends SharedEntries {
  readonly version: string;
  readonly operatorNames: ReadonlySet<string>;
}

/** What the users of a database have made. */
export interface OwnEntries extends SharedEntries {
  /** Tables that inherit, and partitions. */
  readonly children: readonly { readonly parent: number; readonly child: number }[];
  readonly operators: readonly OperatorEntry[];
  readonly casts: readonly CastEntry[];
  readonly operatorClasses: readonly OperatorClassEntry[];
  /** Tables indexed by an operator class of the user's own. */
  readonly indexes: readonly { readonly relation: number; readonly operatorClass: number }[];
  /** Columns named as some function, or some type, is. */
  readonly columnsLikeFunctions: readonly { readonly relation: number; readonly name: string }[];
}

export interface CatalogEntries {
  /** Of the reading role, with those that are implicit. */
  readonly searchPath: readonly string[];
  /** `standard_conforming_strings`: a backslash in a plain text literal is a backslash. */
  readonly hasStandardStrings: boolean;
  /** The `search_path` names `pg_temp`. */
  readonly hasTemporaryPath: boolean;
  readonly builtin: BuiltinEntries;
  readonly own: OwnEntries;
  /** Changes when an own object does; see `readFingerprint`. */
  readonly fingerprint: string;
}
