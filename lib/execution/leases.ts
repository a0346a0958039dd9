import type { Clock } from '../clock.js';
import type { Borrowed } from '../session/borrowed.js';
import type { Deeds } from '../session/deeds.js';
import type { HeldConnection } from '../session/held-connection.js';
import { Lease, type LeasedConnection } from '../session/lease.js';
import type { Session } from '../session/session.js';
import type { UnitOfWork } from '../session/unit-of-work.js';
import type { Dispatcher } from './dispatcher.js';
import type { Pin, PinnedCalls } from './pinned-calls.js';
import type { StatementClasses } from './statement-classes.js';

export interface LeasesParts {
  readonly dispatcher: Dispatcher;
  readonly classes: StatementClasses;
  readonly clock: Clock;
  readonly pinned: PinnedCalls;
  readonly processSession: Session;
  /** Who makes a call now: it need not be who took the lease. */
  caller(): {
    readonly session: Session;
    readonly transaction: UnitOfWork | undefined;
    readonly deeds: Deeds | undefined;
  };
}

/** Makes leases of connections. */
export class Leases {
  readonly #parts: LeasesParts;

  constructor(parts: LeasesParts) {
    this.#parts = parts;
  }

  async ofTransaction(transaction: UnitOfWork, pin: Pin): Promise<Lease> {
    const { pinned, clock } = this.#parts;
    const located = await transaction.locate();
    const { node, role, client } = located;
    return new Lease({
      node,
      role,
      connection: located,
      query: (statement) => pinned.query(this.#blockWithin(transaction) ?? transaction, statement, pin),
      takeClient: () => {
        located.dropSettings();
        located.taint();
        if (role === 'primary')
          for (const session of pin.sessions) pin.deeds?.writesFor(session, () => clock.now());
        return client;
      },
      release: async () => {},
    });
  }

  /**
   * @param pin Of who takes it.
   * @param clientTaken Told when its client is out.
   */
  async ofHeld(
    held: HeldConnection,
    pin: Pin,
    release: () => Promise<void>,
    clientTaken = () => {},
  ): Promise<Lease> {
    const borrowed = await held.borrow();
    borrowed.release();
    const { node, role, client } = borrowed;
    let isClientTaken = false;
    return new Lease({
      node,
      role,
      connection: new HeldByLease(held, borrowed),
      query: (statement) => {
        const block = this.#blockWithin(held);
        const { session, deeds } = this.#parts.caller();
        const sessions = pin.sessions.includes(session) ? pin.sessions : [...pin.sessions, session];
        return this.#parts.pinned.query(block ?? held, statement, {
          ...pin,
          sessions,
          deeds: block ? deeds : undefined,
        });
      },
      takeClient: () => {
        held.refuseWhenCut();
        clientTaken();
        if (role === 'primary' && !isClientTaken)
          for (const session of pin.sessions) this.#writesUnseen(session, held);
        isClientTaken = true;
        // What is done with it is not seen, and may be left behind.
        borrowed.dropSettings();
        borrowed.taint();
        return client;
      },
      release,
    });
  }

  /** What is done with a `pg.Client` passes by us: until that is given back, it may write at any time. */
  #writesUnseen(session: Session, held: HeldConnection): void {
    const { clock, classes, dispatcher, processSession } = this.#parts;
    // All others of the process would wait for a client that listens for as long as the process runs.
    const ended = session === processSession ? () => {} : session.openWrite(() => clock.now());
    dispatcher.wrote(session);
    held.atEnd(() => {
      ended();
      dispatcher.wrote(session);
      classes.ran({ kind: 'unseen' });
    });
  }

  /**
   * The block of the caller where that has the connection now: a lease from around it is used within it, and
   * would wait for its end.
   */
  #blockWithin(outer: UnitOfWork | HeldConnection): UnitOfWork | undefined {
    const { transaction } = this.#parts.caller();
    return transaction?.isWithin(outer) ? transaction : undefined;
  }
}

/** The connection a lease holds, as far as that looks at it. */
class HeldByLease implements LeasedConnection {
  constructor(
    private readonly held: HeldConnection,
    private readonly borrowed: Borrowed,
  ) {}

  get client(): unknown {
    return this.borrowed.client;
  }

  get state(): LeasedConnection['state'] {
    const { state } = this.borrowed;
    // One that was in a transaction is lost by that.
    return this.held.hasEnded && state !== 'lost' ? 'over' : state;
  }
}
