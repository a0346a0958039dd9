import type { LeakEvent, LeakKind } from '../leak-event.js';
import type { TransactionStatus } from '../pool/driver.js';
import type { Hold } from '../pool/leak-detector.js';
import type { PgMcpError } from '../errors.js';
import type { Scope } from '../session/scope.js';
import { CallStack } from './call-stack.js';
import type { Onlooker, PoolConnection } from './pool-connection.js';

/** Of a text that may be megabytes. */
const LONGEST_STATEMENT = 1_000;

const STATUSES: Readonly<Record<TransactionStatus, LeakEvent['transactionStatus']>> = {
  I: 'idle',
  T: 'in-transaction',
  E: 'failed',
};

/** Who minds what is taken. */
export interface HoldKeeper {
  taken(hold: HeldByTaker): void;
  givenBack(hold: HeldByTaker): void;
  /** The hold is lost when the lease is garbage. @param giveBack Must not refer to the lease. */
  follow(lease: object, hold: HeldByTaker, giveBack: () => Promise<void>): void;
  unfollow(hold: HeldByTaker): void;
}

/** A call that takes a connection to keep it, with what there is to tell of that call. */
export class Taker {
  /**
   * Where the connection can be taken from whoever has it; not of those that give it back at their own end. (With a
   * closure in its place, twice as much was seen to survive each collection of the young.)
   */
  holder: { cut(reason: PgMcpError): void } | undefined;
  readonly #keeper: HoldKeeper;
  readonly #stack: CallStack | undefined;
  readonly #method: string | undefined;
  #request: Scope['request'];
  #requestId: string | undefined;
  #hold: HeldByTaker | undefined;

  /** @param takesStack Whether it may cost that. */
  constructor(
    readonly kind: LeakKind,
    scope: Scope,
    keeper: HoldKeeper,
    takesStack: boolean,
  ) {
    this.#keeper = keeper;
    this.#stack = takesStack ? new CallStack() : undefined;
    this.#method = scope.method;
    this.#request = scope.request;
  }

  /** Gets the connection: from then on it is held, until it is released. */
  gets(connection: PoolConnection): void {
    const hold = new HeldByTaker(this, connection, this.#keeper);
    this.#hold = hold;
    connection.watchedBy(hold);
    this.#keeper.taken(hold);
  }

  /** Something is sent by the connection's client, which nobody sees. */
  sends(text: string): void {
    this.#hold?.sends(text);
  }

  /** Has the connection given back when the lease is garbage. @param giveBack Must not refer to the lease. */
  follow(lease: object, giveBack: () => Promise<void>): void {
    this.#hold?.follow(lease, giveBack);
  }

  /** The connection is in use beside the lease, which may be dropped meanwhile. */
  unfollow(): void {
    this.#hold?.unfollow();
  }

  get facts(): Pick<LeakEvent, 'kind' | 'method' | 'requestId' | 'stack'> {
    return {
      kind: this.kind,
      ...(this.#stack && { stack: this.#stack.text }),
      ...(this.#method !== undefined && { method: this.#method }),
      ...(this.#requestId !== undefined && { requestId: this.#requestId }),
    };
  }

  /** Lets go of the request, and of what the stack's frames refer to. */
  settle(): void {
    this.#stack?.settle();
    this.#requestId ??= this.#request?.id;
    this.#request = undefined;
  }
}

/** One connection that a taker has. */
export class HeldByTaker implements Hold, Onlooker {
  readonly #connection: PoolConnection;
  readonly #keeper: HoldKeeper;
  #lastStatement: string | undefined;
  /** It is no brief one. */
  #isSettled = false;
  #lease: object | undefined;
  #giveBack: (() => Promise<void>) | undefined;

  constructor(
    readonly taker: Taker,
    connection: PoolConnection,
    keeper: HoldKeeper,
  ) {
    this.#connection = connection;
    this.#keeper = keeper;
  }

  sends(text: string): void {
    this.#lastStatement = text;
  }

  released(): void {
    this.#keeper.givenBack(this);
    this.unfollow();
  }

  /** A brief hold keeps the lease from being garbage: to have that told costs more than all the rest of the watch. */
  follow(lease: object, giveBack: () => Promise<void>): void {
    this.#lease = lease;
    this.#giveBack = giveBack;
    if (this.#isSettled) this.#followNow();
  }

  unfollow(): void {
    if (this.#isSettled) this.#keeper.unfollow(this);
    this.#lease = this.#giveBack = undefined;
  }

  settle(): void {
    this.#isSettled = true;
    this.taker.settle();
    this.#followNow();
  }

  /** And keeps the lease no longer. */
  #followNow(): void {
    if (this.#lease && this.#giveBack) this.#keeper.follow(this.#lease, this, this.#giveBack);
    this.#lease = this.#giveBack = undefined;
  }

  get facts() {
    const { node, role, transactionStatus } = this.#connection;
    const last = this.#lastStatement;
    return {
      ...this.taker.facts,
      node,
      role,
      transactionStatus: STATUSES[transactionStatus],
      ...(last !== undefined && { lastStatement: shortened(last) }),
    };
  }
}

function shortened(text: string): string {
  return text.length <= LONGEST_STATEMENT ? text : `${text.slice(0, LONGEST_STATEMENT)} …`;
}
