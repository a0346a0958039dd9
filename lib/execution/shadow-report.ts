import type { StatementClass } from '../routing/statement/statement-class.js';

/** What `routing.mode: 'shadow'` has seen of one text. Fit for JSON. */
export interface ShadowedText {
  readonly text: string;
  /** Where it would have gone. */
  readonly target: 'replica' | 'primary';
  readonly reason: string;
  /** What in the statement it is that needs the primary. */
  readonly detail?: string;
  readonly count: number;
}

/** The calls that went to the primary in shadow mode. Fit for JSON. */
export interface ShadowReport {
  /** How many would have gone to a replica. */
  readonly replica: number;
  /** How many would have stayed. */
  readonly primary: number;
  /** The texts, the most frequent first; of those beyond a thousand only the numbers above tell. */
  readonly texts: readonly ShadowedText[];
}

const MOST_TEXTS = 1_000;
/** In characters; what is longer is cut. */
const LONGEST = 2_000;

/** Counts where undecorated calls would have gone. */
export class ShadowCount {
  readonly #texts = new Map<string, { found: StatementClass; count: number }>();
  #replica = 0;
  #primary = 0;

  saw(whole: string, found: StatementClass): void {
    const text = whole.length > LONGEST ? `${whole.slice(0, LONGEST)}…` : whole;
    if (found.kind === 'read') this.#replica++;
    else this.#primary++;
    const known = this.#texts.get(text);
    if (known) {
      known.count++;
      // It may have been judged by an older catalog.
      known.found = found;
    } else if (this.#texts.size < MOST_TEXTS) this.#texts.set(text, { found, count: 1 });
  }

  get report(): ShadowReport {
    const texts = [...this.#texts].map(([text, { found, count }]): ShadowedText => {
      if (found.kind === 'read') return { text, target: 'replica', reason: 'read', count };
      return { text, target: 'primary', reason: found.reason, detail: found.detail, count };
    });
    return {
      replica: this.#replica,
      primary: this.#primary,
      texts: texts.toSorted((a, b) => b.count - a.count),
    };
  }
}
