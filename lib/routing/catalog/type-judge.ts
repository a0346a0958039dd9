import type { Obstacle } from '../statement/statement-class.js';
import type { Catalog } from './catalog.js';
import type { RelationEntry } from './entries.js';

const JSON_TYPE = 114;
const HELD: Obstacle = { kind: 'primary', reason: 'volatile-function', detail: '', writes: true };

/**
 * Types at which something unsafe may run unseen: a cast, an input function, the CHECK of a domain, the
 * comparison of an operator class.
 */
export class TypeJudge {
  readonly #catalog: Catalog;
  readonly #judgeFunction: (oid: number) => Obstacle | undefined;
  /** Wherever a value of the type is. */
  #present: Map<number, Obstacle> | undefined;
  /** Where a value is cast to the type. */
  readonly #made = new Map<number, Obstacle>();
  /** Domains: where a value is taken for one, as a literal is in `COALESCE(row, '(1)')`. */
  readonly #checked = new Map<number, Obstacle>();
  /** Casts that only `CAST` and `::` call. */
  readonly #explicit: { readonly source: number; readonly target: number; readonly found: Obstacle }[] = [];
  #anyStatement: Obstacle | undefined;
  readonly #visiting = new Set<number>();

  constructor(catalog: Catalog, judgeFunction: (oid: number) => Obstacle | undefined) {
    this.#catalog = catalog;
    this.#judgeFunction = judgeFunction;
  }

  get anyStatement(): Obstacle | undefined {
    this.#load();
    return this.#anyStatement;
  }

  get any(): Obstacle | undefined {
    const { own } = this.#catalog.entries;
    for (const { oid } of own.types) {
      const found = this.named(oid);
      if (found) return found;
    }
    return undefined;
  }

  /** Of a type that a statement names. */
  named(oid: number): Obstacle | undefined {
    return this.#within(
      oid,
      (part) => this.#load().get(part) ?? this.#made.get(part) ?? this.#checked.get(part),
    );
  }

  /** Of explicit casts to a type that a statement names, from one of those that it may hold. */
  cast(targets: readonly number[], held: readonly number[]): Obstacle | undefined {
    this.#load();
    const holds = (source: number) =>
      held.some((type) => this.#within(type, (part) => (part === source ? HELD : undefined)) !== undefined);
    return this.#explicit.find(({ source, target }) => targets.includes(target) && holds(source))?.found;
  }

  ofRelation({ types }: RelationEntry): Obstacle | undefined {
    const present = this.#load();
    if (present.size === 0 && this.#checked.size === 0) return undefined;
    for (const type of types) {
      const found = this.#within(type, (part) => present.get(part) ?? this.#checked.get(part));
      if (found) return found;
    }
    return undefined;
  }

  /** Nothing is unsafe about any type, as almost always. */
  get #isQuiet(): boolean {
    return (
      [this.#present, this.#made, this.#checked].every((found) => found?.size === 0) &&
      this.#explicit.length === 0
    );
  }

  /** The type itself, what it is made of, and the columns of a row type. */
  #within(oid: number, judge: (oid: number) => Obstacle | undefined): Obstacle | undefined {
    if (this.#visiting.has(oid)) return undefined;
    const own = judge(oid);
    if (own || this.#isQuiet) return own;
    const entry = this.#catalog.typeByOid(oid);
    if (!entry || (entry.isBuiltin && entry.relation === undefined && entry.parts.length === 0))
      return undefined;
    const columns =
      entry.relation === undefined ? [] : (this.#catalog.relationByOid(entry.relation)?.types ?? []);
    this.#visiting.add(oid);
    try {
      for (const part of [...entry.parts, ...columns]) {
        const found = this.#within(part, judge);
        if (found) return found;
      }
    } finally {
      this.#visiting.delete(oid);
    }
    return undefined;
  }

  /** Casts come first of all, since what they call may take the types that they make. */
  #load(): Map<number, Obstacle> {
    if (this.#present) return this.#present;
    this.#present = new Map<number, Obstacle>();
    try {
      return this.load();
    } catch (error) {
      this.#present = undefined;
      throw error;
    }
  }

  /** Looks for unsafe types again: what was found before may make others unsafe. */
  load(): Map<number, Obstacle> {
    const present = new Map(this.#present);
    this.#explicit.length = 0;
    const { casts, types, operatorClasses } = this.#catalog.entries.own;
    const isOwn = (oid: number) => this.#catalog.typeByOid(oid)?.isBuiltin === false;
    for (const { source, target, function: oid, isImplied } of casts) {
      const found = this.#judgeFunction(oid);
      if (!found) continue;
      // The functions that make JSON call any cast to it.
      if (isOwn(target)) this.#made.set(target, found);
      else this.#explicit.push({ source, target, found });
      if (!isImplied && target !== JSON_TYPE) continue;
      if (isOwn(source)) present.set(source, found);
      else if (isOwn(target)) present.set(target, found);
      else this.#anyStatement = found;
    }
    for (const { oid, functions, checks, kind } of types) {
      const found = firstFound(functions, this.#judgeFunction);
      if (found) present.set(oid, found);
      const checked =
        kind === 'd'
          ? (firstFound(checks.functions, this.#judgeFunction) ??
            firstFound(checks.operators, (operator) =>
              this.#judgeFunction(this.#catalog.operatorByOid(operator)?.function ?? 0),
            ))
          : undefined;
      if (checked) this.#checked.set(oid, checked);
    }
    for (const { type, functions } of operatorClasses) {
      const found = isOwn(type) ? firstFound(functions, this.#judgeFunction) : undefined;
      if (found) present.set(type, found);
    }
    this.#present = present;
    return present;
  }
}

function firstFound(
  items: readonly number[],
  judge: (oid: number) => Obstacle | undefined,
): Obstacle | undefined {
  for (const item of items) {
    const found = judge(item);
    if (found) return found;
  }
  return undefined;
}
