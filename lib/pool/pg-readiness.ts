import pg from 'pg';

/** Whether the server is ready for what follows, as `pg` has it, and what waits for that. */
export class Readiness {
  readonly #client: pg.Client;
  readonly #isLost: () => boolean;
  readonly #tasks: (() => void)[] = [];

  /** @param isLost Then the word that it is ready does not come any more. */
  constructor(client: pg.Client, isLost: () => boolean) {
    this.#client = client;
    this.#isLost = isLost;
  }

  /** Something is under way, sent past us perhaps by one who uses the client of a lease. */
  get isAwaited(): boolean {
    return 'readyForQuery' in this.#client && this.#client.readyForQuery === false;
  }

  /** Only when the server is ready for what follows can the connection be judged. */
  afterError(error: unknown, task: () => void): void {
    if (error instanceof pg.DatabaseError) this.#wait(task);
    // `pg` tells of what it could not send before it notes that nothing is under way.
    else queueMicrotask(() => this.#wait(task));
  }

  #wait(task: () => void): void {
    if (this.#isLost() || !this.isAwaited) {
      task();
      return;
    }
    // One listener for all: values that can't be sent may be many at a time.
    if (this.#tasks.push(task) > 1) return;
    const { connection } = this.#client;
    const over = () => {
      connection.off('readyForQuery', over).off('end', over);
      for (const due of this.#tasks.splice(0)) due();
    };
    connection.on('readyForQuery', over).on('end', over);
  }
}
