import type { Role } from '../config/settings.js';
import type { QueryResult, Row, Statement } from '../query.js';

/** A physical connection for the use of one, until `release`. */
export interface Borrowed {
  readonly node: string;
  readonly role: Role;
  /**
   * Reads only, by intent, though the server would let a write pass: a replica's reads that fell back to
   * the primary. What runs here runs in a READ ONLY transaction.
   */
  readonly mustNotWrite: boolean;
  /** The `pg.Client`. */
  readonly client: unknown;
  query<R = Row>(statement: Statement): Promise<QueryResult<R>>;
  /**
   * Commits the transaction that is open on it. Where the connection breaks under that, it is found out what became of
   * it, as far as the server can tell.
   *
   * @throws ConnectionLostError where it has not been committed, or that is not known.
   */
  commit(): Promise<QueryResult>;
  /** `lost` even where the transaction that was open on it is known no more. */
  readonly state: 'idle' | 'transaction' | 'lost';
  /** Takes back what a client of an ORM has SET on it, ahead of what `client` is asked next. */
  dropSettings(): void;
  /** The session may carry traces of its user: reset it before another gets it. */
  taint(): void;
  /** Gives it back; what is left open on it is cut off. A second call does nothing. */
  release(): void;
  /** Cuts its socket: what runs on it has no use any more, and would not end soon. */
  cut(cause?: Error): void;
}

/** The same connection in another's hands: what is asked of it is passed on. (A getter in a literal costs a microsecond.) */
export abstract class Sublet implements Borrowed {
  constructor(protected readonly from: Borrowed) {}

  get node(): string {
    return this.from.node;
  }

  get role(): Role {
    return this.from.role;
  }

  get mustNotWrite(): boolean {
    return this.from.mustNotWrite;
  }

  get client(): unknown {
    return this.from.client;
  }

  get state(): Borrowed['state'] {
    return this.from.state;
  }

  query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    return this.from.query<R>(statement);
  }

  commit(): Promise<QueryResult> {
    return this.from.commit();
  }

  dropSettings(): void {
    this.from.dropSettings();
  }

  taint(): void {
    this.from.taint();
  }

  release(): void {
    this.from.release();
  }

  cut(cause?: Error): void {
    this.from.cut(cause);
  }
}

/** For one turn on it, which is all that its release ends. */
export class OneTurn extends Sublet {
  constructor(
    from: Borrowed,
    private readonly over: () => void,
  ) {
    super(from);
  }

  override get mustNotWrite(): boolean {
    return false;
  }

  override release(): void {
    this.over();
  }
}

/** Where connections come from: the pools by route, or one connection that a scope holds. */
export interface ConnectionSource {
  borrow(): Promise<Borrowed>;
  /**
   * The first statement of a transaction has failed there, which has been rolled back and the connection given back.
   * Resolves when another one may serve; rejects with the error where none will.
   */
  refused?(error: unknown, borrowed: Pick<Borrowed, 'node' | 'role'>): Promise<void>;
}
