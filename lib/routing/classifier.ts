import type { Catalog } from './catalog/catalog.js';
import { nameJudge, type NameJudge } from './catalog/name-judge.js';
import { maySetLocally } from './catalog/local-settings.js';
import { TextCache, type CacheLimits } from '../text-cache.js';
import { isWholeTransaction, readStatement } from './statement/reading.js';
import { Families } from './statement/families.js';
import { shapeOf } from './statement/shape.js';
import { strictest, type Obstacle, type StatementClass } from './statement/statement-class.js';
import { loadParser, parseStatements, tagOf, type Node } from './statement/syntax.js';

export interface ClassifierOptions {
  /**
   * Functions that may run on a replica although they are volatile and their bodies don't show that they only
   * read: `name` or `schema.name`.
   */
  readonly safeFunctions?: readonly string[];
  /** On a replica statements run as another account, which may see other rows. */
  readonly accountsDiffer?: boolean;
  /** Unless given, 20,000 texts and 16 MiB. */
  readonly cache?: CacheLimits;
}

/** Texts beyond, in UTF-16 units, are not parsed. */
const LONGEST = 65_536;
const CACHE: CacheLimits = { entries: 20_000, bytes: 16 * 1024 * 1024 };
/** Those that come again need no look at their shape. Most that don't are of a family, and not kept here. */
const SHAPED: CacheLimits = { entries: 4_000, bytes: 2 * 1024 * 1024 };

/** Says of a statement's text whether a replica may run it, by PostgreSQL's parser and the database's catalog. */
export class Classifier {
  /** By shape, which most texts are themselves. */
  readonly #cache: TextCache<StatementClass>;
  readonly #shaped = new TextCache<StatementClass>(SHAPED);
  readonly #families = new Families();
  readonly #safeFunctions: ReadonlySet<string>;
  readonly #accountsDiffer: boolean;
  #catalog: Catalog | undefined;
  #judge: NameJudge | undefined;
  #isInDoubt = false;
  /** A call asks more than once on its way, and the next one often with the same text. */
  #last: { readonly text: string; readonly found: StatementClass } | undefined;

  private constructor({ safeFunctions = [], accountsDiffer = false, cache = CACHE }: ClassifierOptions) {
    this.#safeFunctions = new Set(safeFunctions);
    this.#accountsDiffer = accountsDiffer;
    this.#cache = new TextCache(cache);
  }

  /** Loads the parser. Until it has a catalog, `classify` knows no name. */
  static async create(options: ClassifierOptions = {}): Promise<Classifier> {
    await loadParser();
    return new Classifier(options);
  }

  get catalog(): Catalog | undefined {
    return this.#catalog;
  }

  /** Classifies by this catalog from now on, and forgets what was decided by an older one. */
  use(catalog: Catalog): void {
    this.#judge = nameJudge(catalog, {
      safeFunctions: this.#safeFunctions,
      accountsDiffer: this.#accountsDiffer,
    });
    this.#catalog = catalog;
    this.#cache.clear();
    this.#shaped.clear();
    this.#families.clear();
    this.#last = undefined;
    this.#isInDoubt = false;
  }

  /** Has every statement go to the primary until there is a new catalog, or the old one turns out to hold. */
  doubt(): void {
    this.#isInDoubt = true;
  }

  /** The catalog holds. */
  trust(): void {
    this.#isInDoubt = false;
  }

  /** Never throws: what can't be understood is for the primary. */
  classify(text: string): StatementClass {
    // What is too long is looked at no further: neither by shape nor as one of those that are kept.
    if (this.#isInDoubt || text.length > LONGEST) return this.#decide(text, undefined);
    if (text !== this.#last?.text) this.#last = { text, found: this.#look(text) };
    return this.#last.found;
  }

  #look(text: string): StatementClass {
    // Without a look at any table: to hash a text that is new costs as much as all the rest. Of the tables, one is by
    // shapes, which most texts are themselves; the other knows texts whose shape was looked up before.
    const alike = this.#families.ofLast(text);
    if (alike) return alike;
    const known = this.#cache.get(text) ?? this.#families.classOf(text) ?? this.#shaped.get(text);
    if (known !== undefined) return known;
    const shape = shapeOf(text);
    const found = (shape === text ? undefined : this.#cache.get(shape)) ?? this.#decide(text, this.#judge);
    this.#remember(text, shape, found);
    if (shape !== text) this.#families.note(text, found);
    return found;
  }

  /** Has texts of this shape go to the primary until the next catalog: a replica was seen to refuse it. */
  keepFromReplicas(text: string): void {
    // They know texts of the shape as reads.
    this.#families.clear();
    this.#shaped.clear();
    const found = { ...primary('refused-on-standby', 'a replica refused it', true), changesCatalog: false };
    this.#remember(text, shapeOf(text), found);
  }

  #remember(text: string, shape: string, found: StatementClass): void {
    this.#last = undefined;
    this.#cache.set(shape, found);
    if (shape !== text) this.#shaped.set(text, found);
  }

  #decide(text: string, judge: NameJudge | undefined): StatementClass {
    if (text.length > LONGEST)
      return { ...primary('too-long', `${text.length} characters`, true), changesCatalog: true };
    // The parser reads literals by the standard; a server may be set to read them otherwise.
    if (this.#catalog?.entries.hasStandardStrings === false && text.includes('\\'))
      return {
        ...primary('not-parsed', 'a backslash, and no standard literals', true),
        changesCatalog: true,
      };
    try {
      const statements = parseStatements(text);
      if (statements.length === 0)
        return { ...primary('empty', 'no statement', false), changesCatalog: false };
      const found = judgeAll(statements, judge);
      const setsLocally = maySetLocally(text) || this.#catalog?.setsLocally === true;
      return found.kind === 'read' && setsLocally ? { ...found, setsLocally } : found;
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return { ...primary('not-parsed', detail, true), changesCatalog: true };
    }
  }
}

function judgeAll(statements: readonly Node[], judge: NameJudge | undefined): StatementClass {
  const readings = statements.map(readStatement);
  const changesCatalog = readings.some((reading) => reading.changesCatalog);
  if (isWholeTransaction(statements))
    return { ...primary('transaction', 'a whole transaction in one text', true), changesCatalog };
  const obstacles = judge
    ? readings.flatMap((reading) => judge.judge(reading))
    : [...readings.flatMap((reading) => reading.obstacles), primary('unknown-name', 'no catalog yet', true)];
  const found = strictest(obstacles);
  if (found) return { ...found, changesCatalog };
  const [statement] = statements;
  const isQuery = statements.length === 1 && tagOf(statement).tag === 'SelectStmt';
  return { kind: 'read', isQuery, changesCatalog: false };
}

function primary(
  reason: Extract<Obstacle, { kind: 'primary' }>['reason'],
  detail: string,
  writes: boolean,
): Extract<Obstacle, { kind: 'primary' }> {
  return { kind: 'primary', reason, detail, writes };
}
