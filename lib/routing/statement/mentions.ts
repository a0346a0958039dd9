import type { Obstacle } from './statement-class.js';

/** A name as written: with its schema, or without. */
export interface Name {
  readonly schema?: string | undefined;
  readonly name: string;
}

export interface RelationName extends Name {
  /** `ONLY`: without the tables that inherit from it. */
  readonly isOnly: boolean;
}

/** What the text tells of an argument's type. */
export type Argument =
  | { readonly kind: 'typed'; readonly type: Name }
  /** A text literal or NULL, whose type the call decides. */
  | { readonly kind: 'untyped' }
  | { readonly kind: 'column'; readonly name: string }
  /** `a || b`. */
  | { readonly kind: 'joined'; readonly parts: readonly Argument[] }
  | { readonly kind: 'other' };

export interface FunctionCall extends Name {
  readonly arguments: readonly Argument[];
  readonly argumentCount: number;
  /** `VARIADIC`: the last argument stands for any number. */
  readonly isVariadic: boolean;
  /** Of arguments that are text literals, which a cast may change. */
  readonly texts: readonly (string | undefined)[];
  /** Of arguments given by name. */
  readonly names: readonly (string | undefined)[];
  /** Of arguments that are text literals which stay what they are, with a cast to `text` or its like or without. */
  readonly plainTexts: readonly (string | undefined)[];
  /** Of arguments that are integer literals. */
  readonly integers: readonly (number | undefined)[];
  /** Of arguments that are boolean literals. */
  readonly booleans: readonly (boolean | undefined)[];
}

export interface OperatorUse extends Name {
  readonly operands: 1 | 2;
  readonly arguments: readonly Argument[];
}

/** `x.name` or `(x).name`: a column, else a function called on `x`, or a cast of it. */
export interface Projection {
  readonly name: string;
  /** The table it is of; undefined where `x` is something else, of any type, or that can't be told. */
  readonly relation: Name | undefined;
}

/** Everything in a statement that has a meaning only the catalog knows. */
export interface Mentions {
  readonly functions: readonly FunctionCall[];
  readonly relations: readonly RelationName[];
  readonly types: readonly Name[];
  readonly operators: readonly OperatorUse[];
  readonly projections: readonly Projection[];
  /** Every column that it reads is a table's: none is made in a subquery or by a function. */
  readonly readsTablesOnly: boolean;
  /** It looks into the rows that it reads, if only by `*` or NATURAL. */
  readonly readsColumns: boolean;
  /** It holds a NOT, for which the planner may take an operator's negator. */
  readonly negates: boolean;
  /** What tables go by in it. */
  readonly aliases: ReadonlySet<string>;
  /** What the syntax alone tells. */
  readonly deeds: readonly Obstacle[];
}
