/** One row: its values by column name, or in the order of the columns. */
export type BulkRow = object;

/** Rows, or the bytes of a COPY: a stream, a file's content. */
export type CopySource<Item = BulkRow | Uint8Array | string> =
  Iterable<Item> | AsyncIterable<Item> | Uint8Array | string;

type Step = IteratorResult<unknown, unknown>;
type Iterating = { next(): Step | Promise<Step>; return?(): unknown };

/** A source that is being read, item by item. */
export class Pull {
  readonly #source: object;
  readonly #iterator: Iterating;
  #peeked: Step | undefined;
  #isOver = false;
  #isWaiting = false;

  /** @throws TypeError for what can't be read. */
  constructor(source: unknown) {
    // Their own items would be letters and numbers.
    const isWhole = typeof source === 'string' || source instanceof Uint8Array;
    const items = isWhole ? [source] : source;
    if (!isIterable(items)) {
      throw new TypeError(
        'the source is no array, iterable, async iterable or stream; a generator function has to be called',
      );
    }
    this.#source = items;
    this.#iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  }

  /** The first item, which `next` gives again. */
  async peek(): Promise<Step> {
    this.#peeked = await this.next();
    return this.#peeked;
  }

  /** Not always a promise: of rows that are there already, each would cost one. */
  next(): Step | Promise<Step> {
    if (this.#peeked) {
      const peeked = this.#peeked;
      this.#peeked = undefined;
      return peeked;
    }
    const step = this.#iterator.next();
    if (step instanceof Promise) return this.#await(step);
    if (step.done === true) this.#isOver = true;
    return step;
  }

  /** Nothing more is wanted of it: it gets to clean up, unless it is busy, which may last. Never rejects. */
  async leave(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const wasWaiting = this.#isWaiting;
    try {
      if (wasWaiting && 'destroy' in this.#source && typeof this.#source.destroy === 'function')
        this.#source.destroy();
      const left = Promise.resolve(this.#iterator.return?.());
      if (wasWaiting) left.catch(() => {});
      else await left;
    } catch {
      // The error that led here is the one to tell.
    }
  }

  async #await(step: Promise<Step>): Promise<Step> {
    this.#isWaiting = true;
    try {
      const result = await step;
      if (result.done === true) this.#isOver = true;
      return result;
    } catch (error) {
      this.#isOver = true;
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return Symbol.asyncIterator in value || Symbol.iterator in value;
}
