import type { Queryable } from '../query.js';
import { loadCatalog, readFingerprint } from '../routing/catalog/load.js';
import { Classifier } from '../routing/classifier.js';
import type { StatementClass } from '../routing/statement/statement-class.js';

/** Where a statement would go by itself, and why. */
export interface RouteExplanation {
  readonly target: 'primary' | 'replica';
  /** A word: `read`, `write`, `volatile-function`, `unknown-name`, `no-replica`, … */
  readonly reason: string;
  /** What in the statement it is, or what to use instead. */
  readonly detail?: string;
  /** The node that would serve now, where there is but one. */
  readonly node?: string;
}

/** Who would serve at this moment. */
export interface Destinations {
  readonly replicas: readonly string[];
  readonly primary: string | undefined;
}

/** Explains routes by the statement, with the database's own names, which it reads on the primary at need. */
export class RouteExplainer {
  readonly #primary: Queryable;
  #classifier: Promise<Classifier> | undefined;
  #refreshing: Promise<void> | undefined;

  constructor(primary: Queryable) {
    this.#primary = primary;
  }

  /** @throws what reading the catalog on the primary throws. */
  async explain(text: string, destinations: () => Destinations): Promise<RouteExplanation> {
    this.#classifier ??= Classifier.create();
    const classifier = await this.#classifier;
    this.#refreshing ??= this.#refresh(classifier).finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
    return explanation(classifier.classify(text), destinations());
  }

  /** Names may have been redefined since, by anybody. */
  async #refresh(classifier: Classifier): Promise<void> {
    const { catalog } = classifier;
    if (catalog && (await readFingerprint(this.#primary)) === catalog.fingerprint) return;
    classifier.use(await loadCatalog(this.#primary, catalog));
  }
}

/** Pure. */
export function explanation(found: StatementClass, { replicas, primary }: Destinations): RouteExplanation {
  const [replica, ...others] = replicas;
  const onPrimary = { target: 'primary', ...(primary !== undefined && { node: primary }) } as const;
  switch (found.kind) {
    case 'read':
      return replica === undefined
        ? { ...onPrimary, reason: 'no-replica' }
        : { target: 'replica', reason: 'read', ...(others.length === 0 && { node: replica }) };
    case 'primary':
      return { ...onPrimary, reason: found.reason, detail: found.detail };
    case 'session':
      return { ...onPrimary, reason: found.reason, detail: found.remedy };
  }
}
