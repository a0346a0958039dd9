import { OneTurn, type Borrowed } from './borrowed.js';
import type { Patience } from './patience.js';

/** A connection for a turn that may last: who has it may wait for something else meanwhile. */
export interface Lent extends Borrowed {
  /** Something runs on it, until the returned function is called; otherwise others lose patience. */
  busy(): () => void;
}

/** Long turns on one connection: a COPY speaks to the `pg.Client` itself, and waits for its source or its reader. */
export class Lending {
  readonly #patience: Patience;
  readonly #abandons = new Set<() => void>();

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  get isUnderWay(): boolean {
    return this.#abandons.size > 0;
  }

  /** Resolves when the turn is over. @param abandon Told when the connection is wanted back. */
  async lend(borrowed: Borrowed, abandon: () => void, give: (lent: Lent) => void): Promise<void> {
    this.#abandons.add(abandon);
    try {
      await new Promise<void>((release) => {
        give(Object.assign(new OneTurn(borrowed, release), { busy: () => this.#patience.suspend() }));
      });
    } finally {
      this.#abandons.delete(abandon);
    }
  }

  /** Takes a turn; behind a long one, with patience. */
  wait<T>(begin: (work: () => Promise<T>) => Promise<T>, work: () => Promise<T>): Promise<T> {
    return this.isUnderWay
      ? this.#patience.wait((whileWaited) => begin(() => whileWaited(work)))
      : begin(work);
  }

  /** The connection is wanted back: who has it ends what he does. */
  abandonAll(): void {
    for (const abandon of this.#abandons) abandon();
  }
}
