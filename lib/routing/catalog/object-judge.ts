import { strictest, type Obstacle, type PrimaryReason } from '../statement/statement-class.js';
import {
  ASKS_ACCOUNT,
  isHarmlessOfExtension,
  judgeBuiltin,
  NAMES_SCHEMAS,
  OF_OWN_TRANSACTION,
  RUNS_TEXT,
} from './builtin-functions.js';
import type { FunctionCall } from '../statement/mentions.js';
import type { Catalog } from './catalog.js';
import { DynamicTexts } from './dynamic-texts.js';
import type { FunctionEntry, RelationEntry } from './entries.js';
import { readBody } from './function-body.js';
import { FIRST_OWN_OID } from './queries.js';
import type { References } from './references.js';
import type { Reading } from '../statement/reading.js';
import type { Trials } from './trials.js';
import { TypeJudge } from './type-judge.js';
import { judgeServerFunction, unproven, within } from './verdicts.js';

export type Mode = Reading['mode'];

export interface ObjectJudgeParts {
  readonly catalog: Catalog;
  /** Where names are looked for. */
  readonly path: readonly string[];
  /** Functions that their users vouch for: `name` or `schema.name`. */
  readonly safeFunctions: ReadonlySet<string>;
  /** On a replica statements run as another account. */
  readonly accountsDiffer: boolean;
  readonly trials: Trials;
  /** Judges the statements of a function's body. */
  readonly judgeReadings: (readings: readonly Reading[], mode: Mode) => readonly Obstacle[];
  /** Who judges where names are looked for elsewhere. */
  readonly underPath: (path: readonly string[]) => ObjectJudge;
}

export interface RelationUse {
  readonly isWritten?: boolean;
  /** Without the tables that inherit from it. */
  readonly isOnly?: boolean;
}

/** Calls within texts given to calls. */
const DEEPEST_CALLS = 4;
const RELATION_KINDS: Readonly<Record<string, PrimaryReason>> = { S: 'sequence', f: 'foreign-table' };
/** Its query ran when it was filled. */
const MATERIALIZED = 'm';
const PERSISTENCE: Readonly<Record<string, PrimaryReason>> = { u: 'unlogged-table', t: 'temporary-table' };

/** Says of functions and relations of a catalog what keeps their callers and readers from a replica. */
export class ObjectJudge {
  readonly #catalog: Catalog;
  readonly #parts: ObjectJudgeParts;
  readonly #types: Readonly<Record<Mode, TypeJudge>>;
  readonly #dynamic: DynamicTexts;
  readonly #key: string;
  #nestedCalls = 0;

  constructor(parts: ObjectJudgeParts) {
    this.#catalog = parts.catalog;
    this.#parts = parts;
    this.#key = JSON.stringify(parts.path);
    this.#dynamic = new DynamicTexts(parts.catalog, parts.path);
    this.#types = {
      run: new TypeJudge(parts.catalog, (oid) => this.function(oid, 'run')),
      plan: new TypeJudge(parts.catalog, (oid) => this.function(oid, 'plan')),
    };
  }

  /** Looks for unsafe types: before any question, since functions decide over types, and types over functions. */
  loadTypes(): void {
    for (const types of Object.values(this.#types)) types.load();
  }

  function(oid: number, mode: Mode): Obstacle | undefined {
    const entry = this.#catalog.functionByOid(oid);
    return entry && this.#once(`function ${mode} ${oid}`, () => this.#judgeFunction(entry, mode));
  }

  /** Of a call: what the literals that it gives make the function run counts, where that shows. */
  call(oid: number, call: FunctionCall, mode: Mode): Obstacle | undefined {
    const entry = this.#catalog.functionByOid(oid);
    if (!entry) return undefined;
    const completed = this.#nestedCalls < DEEPEST_CALLS ? this.#dynamic.completed(entry, call) : undefined;
    if (completed) {
      this.#nestedCalls++;
      try {
        return this.#judgeFunction(entry, mode, completed);
      } finally {
        this.#nestedCalls--;
      }
    }
    const suspects = this.#dynamic.isHidden(entry) && (mode === 'run' || entry.volatility !== 'v');
    return (
      this.function(oid, mode) ??
      this.#firstOf(suspects ? call.texts : [], (text) =>
        text === undefined ? undefined : this.#within(entry).#suspect(text),
      )
    );
  }

  relation(oid: number, mode: Mode, use: RelationUse = {}): Obstacle | undefined {
    const entry = this.#catalog.relationByOid(oid);
    const key = `relation ${mode} ${use.isWritten === true} ${use.isOnly === true} ${oid}`;
    return entry && this.#once(key, () => this.#judgeRelation(entry, mode, use));
  }

  /** Of the defaults that a call leaves to be filled in. */
  defaults(oid: number, argumentCount: number, mode: Mode): Obstacle | undefined {
    const entry = this.#catalog.functionByOid(oid);
    if (!entry || argumentCount >= entry.declared) return undefined;
    return within(entry, this.references(entry.defaults, mode));
  }

  /** Of a type that a statement names, by a cast or as a column. */
  type(oid: number, mode: Mode): Obstacle | undefined {
    return this.#types[mode].named(oid);
  }

  /** Of explicit casts to the types that a statement names, from those that it may hold. */
  cast(targets: readonly number[], held: readonly number[], mode: Mode): Obstacle | undefined {
    return this.#types[mode].cast(targets, held);
  }

  operator(oid: number, mode: Mode, negates = true): Obstacle | undefined {
    const entry = this.#catalog.operatorByOid(oid);
    if (!entry) return undefined;
    const substitutes = [entry.commutator, ...(negates ? [entry.negator] : [])];
    const relatives = substitutes.map((relative) => this.#catalog.operatorByOid(relative));
    return this.#firstOf([entry, ...relatives], (used) => used && this.function(used.function, mode));
  }

  /** Whether a cast between types of PostgreSQL's own, which any expression may imply, is unsafe. */
  anyStatement(mode: Mode): Obstacle | undefined {
    return this.#types[mode].anyStatement;
  }

  /** Any type whose input does something; for functions that take a type's name as a text. */
  get anyType(): Obstacle | undefined {
    return this.#types.run.any;
  }

  #once(key: string, judge: () => Obstacle | undefined): Obstacle | undefined {
    return this.#parts.trials.once(`${this.#key} ${key}`, judge);
  }

  /** Who judges what runs within a function: where it looks for names, what it calls does so too. */
  #within({ searchPath }: FunctionEntry): ObjectJudge {
    return searchPath === undefined ? this : this.#parts.underPath(searchPath);
  }

  /** What depends on the account that asks. */
  #account(detail: string): Obstacle | undefined {
    return this.#parts.accountsDiffer
      ? { kind: 'primary', reason: 'account', detail, writes: false }
      : undefined;
  }

  #judgeFunction(entry: FunctionEntry, mode: Mode, completed?: readonly Reading[]): Obstacle | undefined {
    const { name, schema, isBuiltin, volatility } = entry;
    const { safeFunctions } = this.#parts;
    if (safeFunctions.has(name) || safeFunctions.has(`${schema}.${name}`)) return undefined;
    if (isBuiltin && NAMES_SCHEMAS.includes(name) && this.#catalog.entries.hasTemporaryPath)
      return { kind: 'primary', reason: 'session-state', detail: `${name}() by pg_temp`, writes: true };
    const { version } = this.#catalog.entries.builtin;
    if (isBuiltin && OF_OWN_TRANSACTION.includes(name) && Number(version) >= 150_000) return undefined;
    if (isBuiltin) {
      const asked = ASKS_ACCOUNT.test(name) ? this.#account(`${name}()`) : undefined;
      return asked ?? judgeServerFunction(entry, mode, name);
    }
    if (isHarmlessOfExtension(entry.extension, name)) return undefined;
    const isCalled = mode === 'run' || volatility !== 'v';
    const made = this.#firstOf(entry.parts, (oid) => this.function(oid, mode));
    const typed = isCalled ? this.#firstOf(entry.types, (oid) => this.#types[mode].named(oid)) : undefined;
    if (made ?? typed) return within(entry, made ?? typed);
    if (entry.kind === 'a') return undefined;
    if (entry.extension !== undefined && (name in RUNS_TEXT || judgeBuiltin(name, volatility)))
      return isCalled ? (judgeServerFunction(entry, mode, name) ?? unproven(entry)) : undefined;
    if (entry.language === 'internal') {
      const original = this.#catalog.internal(entry.source);
      if (original) return isCalled ? judgeServerFunction(original, 'run', name) : undefined;
    }
    return this.#within(entry).#judgeBody(entry, isCalled ? 'run' : mode, isCalled, completed);
  }

  /**
   * What the body shows counts, whatever the declaration: a function declared VOLATILE, as every one is that
   * says nothing, may read only; one declared IMMUTABLE may call `nextval`. Where the body can't be seen
   * through, the declaration is taken for true.
   */
  #judgeBody(
    entry: FunctionEntry,
    mode: Mode,
    isCalled: boolean,
    completed: readonly Reading[] | undefined,
  ): Obstacle | undefined {
    const { definition, language, volatility } = entry;
    if (!isCalled && language !== 'sql') return undefined;
    if (entry.hasOtherMeaning) return isCalled ? unproven(entry) : undefined;
    const body = definition === null ? undefined : readBody(definition, language);
    const readings = [...(body?.readings ?? []), ...(completed ?? [])];
    const found = strictest(this.#parts.judgeReadings(readings, mode));
    if (found) return within(entry, found);
    if (body && (body.templates.length === 0 || completed)) return undefined;
    if (volatility === 'v') return isCalled ? unproven(entry) : undefined;
    return definition === null
      ? undefined
      : within(entry, this.#suspect(definition.slice(definition.indexOf('AS ')), entry.name));
  }

  /** The words of what is put together at run time: one that names something unsafe may call it. */
  #suspect(text: string, except?: string): Obstacle | undefined {
    const { path } = this.#parts;
    for (const word of new Set(text.toLowerCase().match(/[a-z_][\w$]*/g))) {
      if (word === except) continue;
      const named = this.#catalog.functions({ name: word }, path);
      const found =
        this.#firstOf(named, ({ oid }) => this.function(oid, 'run')) ??
        this.#firstOf([this.#catalog.relation({ name: word }, path)], (relation) =>
          relation && relation.oid >= FIRST_OWN_OID ? this.relation(relation.oid, 'run') : undefined,
        );
      if (found) return found;
    }
    return undefined;
  }

  #judgeRelation(entry: RelationEntry, mode: Mode, use: RelationUse): Obstacle | undefined {
    const { oid, kind, persistence, schema, name, hasRowSecurity } = entry;
    const reason = PERSISTENCE[persistence] ?? RELATION_KINDS[kind];
    if (reason !== undefined && !(reason === 'sequence' && mode === 'plan'))
      return { kind: 'primary', reason, detail: `${schema}.${name}`, writes: false };
    return (
      (hasRowSecurity ? this.#account('row security') : undefined) ??
      this.#firstOf(this.#catalog.rulesOf(oid), ({ runs, references }) =>
        runs === 'plan' || (runs === 'read' && kind !== MATERIALIZED) || use.isWritten === true
          ? within(entry, this.references(references, runs === 'plan' ? 'plan' : mode))
          : undefined,
      ) ??
      this.#firstOf(use.isOnly === true ? [] : this.#catalog.childrenOf(oid), (child) =>
        this.relation(child, mode, use),
      ) ??
      this.#firstOf(this.#catalog.indexFunctionsOf(oid), (used) =>
        within(entry, this.function(used, mode)),
      ) ??
      within(entry, this.#types[mode].ofRelation(entry))
    );
  }

  references(references: References, mode: Mode): Obstacle | undefined {
    const { functions, operators, relations, types, locksRows, readsAccount } = references;
    if (locksRows && mode === 'run')
      return { kind: 'primary', reason: 'row-lock', detail: 'FOR UPDATE', writes: true };
    return (
      (readsAccount ? this.#account('current_user') : undefined) ??
      this.#firstOf(functions, (oid) => this.function(oid, mode)) ??
      this.#firstOf(operators, (oid) => this.operator(oid, mode)) ??
      this.#firstOf(relations, (oid) => this.relation(oid, mode)) ??
      this.#firstOf(types, (oid) => this.#types[mode].named(oid))
    );
  }

  #firstOf<T>(items: readonly T[], judge: (item: T) => Obstacle | undefined): Obstacle | undefined {
    for (const item of items) {
      const found = judge(item);
      if (found) return found;
    }
    return undefined;
  }
}
