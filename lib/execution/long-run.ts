import type { Role } from '../config/settings.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Borrowed } from '../session/borrowed.js';
import type { Lent } from '../session/lending.js';
import type { LongConnection } from '../session/long-call.js';

/** What encloses a long call. */
export interface Block {
  readonly begin: string;
  readonly done: string;
  readonly failed: string;
}

export const TRANSACTION: Block = { begin: 'BEGIN', done: 'COMMIT', failed: 'ROLLBACK' };
export const READ_ONLY_BLOCK: Block = { ...TRANSACTION, begin: 'BEGIN READ ONLY' };
/** Within a transaction that may write: the mode ends with the subtransaction (manual, SET TRANSACTION). */
export const READ_ONLY_SAVEPOINT: Block = {
  begin: 'SAVEPOINT pg_mcp_read; SET TRANSACTION READ ONLY',
  done: 'RELEASE SAVEPOINT pg_mcp_read',
  failed: 'ROLLBACK TO SAVEPOINT pg_mcp_read; RELEASE SAVEPOINT pg_mcp_read',
};

type Query = <R = Row>(statement: Statement) => Promise<QueryResult<R>>;

export interface LongRunParts {
  /** A connection to have alone, or turns on one that others use too. */
  readonly on: Lent | Borrowed | { readonly node: string; readonly role: Role; readonly query: Query };
  readonly joins: LongConnection['joins'];
  readonly block?: Block | undefined;
  ended(): void;
}

/** The connection of one long call. */
export class LongRun implements LongConnection {
  readonly #parts: LongRunParts;
  #isCut = false;
  #isEnded = false;

  constructor(parts: LongRunParts) {
    this.#parts = parts;
  }

  get node(): string {
    return this.#parts.on.node;
  }

  get role(): Role {
    return this.#parts.on.role;
  }

  get joins(): LongConnection['joins'] {
    return this.#parts.joins;
  }

  get client(): unknown {
    const { on } = this.#parts;
    if (!('client' in on)) throw new Error('a call that takes turns has no connection to itself');
    on.dropSettings();
    return on.client;
  }

  query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    return this.#parts.on.query<R>(statement);
  }

  busy(): () => void {
    const { on } = this.#parts;
    return 'busy' in on ? on.busy() : () => {};
  }

  async begin(): Promise<void> {
    const { block, on } = this.#parts;
    if (block) await on.query({ text: block.begin });
  }

  cut(): void {
    // Somebody else may have it by now.
    if (this.#isEnded) return;
    const { on } = this.#parts;
    this.#isCut = true;
    if ('cut' in on) on.cut();
  }

  async end(how: 'done' | 'failed'): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const { on } = this.#parts;
    try {
      await this.#leave(how);
    } finally {
      this.#parts.ended();
      if ('release' in on) on.release();
    }
  }

  async #leave(how: 'done' | 'failed'): Promise<void> {
    const { block, on } = this.#parts;
    if (!block || this.#isCut) return;
    if (how === 'done') await on.query({ text: block.done });
    // The error that led here is the one to tell; a connection that can't undo is destroyed at release.
    else await on.query({ text: block.failed }).catch(() => {});
  }
}
