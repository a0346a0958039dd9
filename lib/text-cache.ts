export interface CacheLimits {
  readonly entries: number;
  /** Of texts, counted as two bytes for each character. */
  readonly bytes: number;
}

const BYTES_PER_CHARACTER = 2;
/** What an entry takes beside its text. */
const BYTES_PER_ENTRY = 128;

/**
 * A bounded map by text, in two generations: a hit costs one look-up, or two with a move for what has not been
 * asked since the last turn; when the young generation is full, the old one is dropped.
 */
export class TextCache<V> {
  readonly #half: CacheLimits;
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  #bytes = 0;

  constructor({ entries, bytes }: CacheLimits) {
    this.#half = { entries: Math.ceil(entries / 2), bytes: bytes / 2 };
  }

  get(text: string): V | undefined {
    const value = this.#young.get(text);
    if (value !== undefined) return value;
    const older = this.#old.get(text);
    if (older !== undefined) this.set(text, older);
    return older;
  }

  set(text: string, value: V): void {
    const bytes = text.length * BYTES_PER_CHARACTER + BYTES_PER_ENTRY;
    if (bytes > this.#half.bytes) return;
    if (!this.#young.has(text)) {
      if (this.#young.size >= this.#half.entries || this.#bytes + bytes > this.#half.bytes) {
        this.#old = this.#young;
        this.#young = new Map();
        this.#bytes = 0;
      }
      this.#bytes += bytes;
    }
    this.#young.set(text, value);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#bytes = 0;
  }

  /** Texts held. */
  get size(): number {
    let shared = 0;
    for (const text of this.#old.keys()) if (this.#young.has(text)) shared++;
    return this.#young.size + this.#old.size - shared;
  }
}
