/** The connection of `pg`, which tells its client of each message. */
export interface Told {
  once(event: 'readyForQuery', listener: () => void): void;
  emit(event: 'readyForQuery' | 'errorMessage', message: unknown): void;
}

const READY = { name: 'readyForQuery', status: 'I' };

/** What those of a group took. */
export interface Share {
  /** Each of them, in milliseconds; undefined where that can't be told. */
  readonly ownMs: number | undefined;
  /** One of them may have taken long: which, is to be seen. */
  readonly isSuspect: boolean;
}

/** The server did not come to a statement: one ahead of it in its group has failed. */
export class SkippedError extends Error {
  constructor() {
    super('a statement ahead of this one in its group has failed');
    this.name = 'SkippedError';
  }
}

/**
 * Statements that the server answers together, with one Sync behind the last of them (manual, section 54.2.4). `pg` goes
 * on with the next statement only when it is told that the server is ready; within a group, the group tells it.
 */
export class Group {
  /** Known when the first of them is answered. */
  share: Share | undefined;
  #size = 0;
  #hasFailed = false;

  get size(): number {
    return this.#size;
  }

  /** One more; returns its place. */
  join(): number {
    return this.#size++;
  }

  /** What comes now is the answer to the next one. */
  answered(place: number, connection: Told): void {
    if (place < this.#size - 1) connection.emit('readyForQuery', READY);
  }

  /** The server passes over those behind it, and is ready behind the Sync: they fail with a `SkippedError`. */
  failed(place: number, connection: Told): void {
    const behind = this.#size - 1 - place;
    if (behind === 0 || this.#hasFailed) return;
    this.#hasFailed = true;
    connection.once('readyForQuery', () => {
      for (let i = 0; i < behind; i++) {
        connection.emit('errorMessage', new SkippedError());
        connection.emit('readyForQuery', READY);
      }
    });
  }
}
