import type { Clock, Timer } from '../clock.js';
import { describeError } from '../errors.js';
import type { Queryable } from '../query.js';
import { loadCatalog, readFingerprint } from '../routing/catalog/load.js';
import { Classifier, type ClassifierOptions } from '../routing/classifier.js';
import type { StatementClass } from '../routing/statement/statement-class.js';

/** How often definitions are compared with those on the primary: others may change them. */
const LOOK_MS = 30_000;
/** After a failed look, and least between two that unknown names ask for. */
const SOON_MS = 1_000;

export interface StatementClassesParts {
  readonly clock: Clock;
  /** What the classes depend on, beside the catalog. */
  readonly options: ClassifierOptions;
  /** Asks the primary, as the account that writes. */
  readonly primary: Queryable;
}

/** What may define something, and hardly ever does. */
const SELDOM_DEFINES = new Set<string | undefined>([
  'code-block',
  'procedure',
  'not-parsed',
  'too-long',
  'unknown-name',
]);

const NO_PARSER: StatementClass = {
  kind: 'primary',
  reason: 'unknown-name',
  detail: 'the cluster is not connected',
  writes: true,
  changesCatalog: false,
};

/** Says what statements do, by the primary's own catalog, which it keeps true. */
export class StatementClasses {
  readonly #parts: StatementClassesParts;
  #classifier: Classifier | undefined;
  #refreshing: Promise<void> | undefined;
  #isRefreshWanted = false;
  /** How many definitions this process has changed. */
  #changes = 0;
  #look: Timer | undefined;
  #isLookingSoon = false;
  #lookedAt = -Infinity;
  #gapMs = SOON_MS;
  #hasTold = false;
  #isStopped = false;

  constructor(parts: StatementClassesParts) {
    this.#parts = parts;
  }

  /** Loads the parser and the catalog. Without a catalog, every statement is one for the primary. */
  async start(): Promise<void> {
    this.#classifier ??= await Classifier.create(this.#parts.options);
    await this.#lookNow();
  }

  stop(): void {
    this.#isStopped = true;
    this.#look?.cancel();
  }

  /** The schemas in which names without one are looked for, as a JSON text. */
  get searchPath(): string | undefined {
    return this.#classifier?.catalog?.searchPathText;
  }

  /** As the catalog has it; false before there is one. */
  get hasStandardStrings(): boolean {
    return this.#classifier?.catalog?.entries.hasStandardStrings === true;
  }

  classify(text: string): StatementClass {
    const found = this.#classifier?.classify(text) ?? NO_PARSER;
    if (found.kind === 'primary' && found.reason === 'unknown-name') this.#lookSoon();
    return found;
  }

  /** A statement of that class, which may change definitions, has done its work; without a reason, one that was not seen. */
  ran({ reason }: { readonly kind: string; readonly reason?: string }): void {
    if (reason === undefined || SELDOM_DEFINES.has(reason)) {
      this.#lookSoon();
      return;
    }
    // Until they are read, names may mean anything.
    this.#changes++;
    this.#classifier?.doubt();
    this.#lookSoon(0);
  }

  /** Has a text go to the primary until definitions change: a replica was seen to refuse it. */
  keepFromReplicas(text: string): void {
    this.#classifier?.keepFromReplicas(text);
  }

  /**
   * Looks whether definitions have changed since, and reads them anew if so.
   *
   * @throws what reading the catalog on the primary throws.
   */
  refresh(): Promise<void> {
    this.#isRefreshWanted = true;
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    this.#classifier ??= await Classifier.create(this.#parts.options);
    const classifier = this.#classifier;
    while (this.#isRefreshWanted && !this.#isStopped) {
      this.#isRefreshWanted = false;
      this.#lookedAt = this.#parts.clock.now();
      const { catalog: known } = classifier;
      const changes = this.#changes;
      const isSame = known && (await readFingerprint(this.#parts.primary)) === known.fingerprint;
      const catalog = isSame ? known : await loadCatalog(this.#parts.primary, known);
      // What was read may be from before a change of our own.
      if (changes !== this.#changes) {
        this.#isRefreshWanted = true;
        continue;
      }
      // What asks again and again for names that are nowhere asks less and less often.
      this.#gapMs = isSame ? Math.min(this.#gapMs * 2, LOOK_MS) : SOON_MS;
      if (isSame) classifier.trust();
      else classifier.use(catalog);
    }
  }

  #lookSoon(gapMs = this.#gapMs): void {
    const dueMs = Math.max(0, this.#lookedAt + gapMs - this.#parts.clock.now());
    if (this.#isStopped || (this.#isLookingSoon && dueMs > 0)) return;
    this.#isLookingSoon = true;
    this.#schedule(dueMs);
  }

  #schedule(inMs: number): void {
    this.#look?.cancel();
    if (!this.#isStopped) this.#look = this.#parts.clock.setTimer(() => void this.#lookNow(), inMs, true);
  }

  async #lookNow(): Promise<void> {
    // Nobody has asked for an unknown name since the last one: the next who does need not wait long.
    if (!this.#isLookingSoon) this.#gapMs = SOON_MS;
    this.#isLookingSoon = false;
    try {
      await this.refresh();
      // Who asked during this look has a time of its own.
      if (!this.#isLookingSoon) this.#schedule(LOOK_MS);
    } catch (error) {
      if (this.#isStopped) return;
      // Nor do names that have long been asked for in vain put it off.
      this.#isLookingSoon = true;
      this.#schedule(SOON_MS);
      this.#tellOnce(error);
    }
  }

  #tellOnce(error: unknown): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    process.emitWarning(
      `the catalog can't be read, so undecorated reads go to the primary until it can: ${describeError(error)}`,
    );
  }
}
