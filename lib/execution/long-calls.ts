import type { StatementClass } from '../routing/statement/statement-class.js';
import type { Borrowed } from '../session/borrowed.js';
import type { HeldConnection } from '../session/held-connection.js';
import type { LongCall, LongCalls, LongConnection } from '../session/long-call.js';
import { explainRefusedWrite } from '../session/read-only.js';
import type { Holder, Scope } from '../session/scope.js';
import type { Session } from '../session/session.js';
import type { UnitOfWork } from '../session/unit-of-work.js';
import type { Demand } from './demand.js';
import { mayWrite, type Demands } from './demands.js';
import type { Dispatcher } from './dispatcher.js';
import { LongRun, READ_ONLY_BLOCK, READ_ONLY_SAVEPOINT, TRANSACTION, type Block } from './long-run.js';
import type { Pin, PinnedCalls } from './pinned-calls.js';
import { refuseEscape, refuseTransactionControl, refuseWrite, sessionStatement } from './refusals.js';
import type { StatementClasses } from './statement-classes.js';
import type { Taker } from './taker.js';

export interface LongCallsParts {
  readonly dispatcher: Dispatcher;
  readonly demands: Demands;
  readonly classes: StatementClasses;
  readonly pinned: PinnedCalls;
}

/** Who calls: the scope of the moment, and what follows from it. */
export interface Caller {
  readonly scope: Scope;
  readonly session: Session;
  readonly pin: Pin;
  /** Where it is watched who keeps a connection. */
  readonly taker: Taker | undefined;
}

type Opened<T> = Promise<{ readonly connection: LongConnection; readonly started: T }>;

/** Calls that keep their connection for longer than one answer, of one place in the program. */
export class LongCallsOf implements LongCalls {
  readonly #parts: LongCallsParts;
  readonly #caller: Caller;

  constructor(parts: LongCallsParts, caller: Caller) {
    this.#parts = parts;
    this.#caller = caller;
  }

  admit(text: string): void {
    const { scope, pin } = this.#caller;
    const found = this.#parts.classes.classify(text);
    if (pin.route === 'replica') refuseWrite(found);
    if (pin.route === 'replica' || pin.deeds?.isReadOnly === true) refuseEscape(found, text);
    if (scope.transaction) refuseTransactionControl(found);
    else if (!scope.held && found.kind === 'session') throw sessionStatement(found);
  }

  async open<T>(call: LongCall<T>): Opened<T> {
    const { transaction, held } = this.#caller.scope;
    const found = this.#parts.classes.classify(call.text);
    try {
      if (transaction) return await this.#started(await this.#join(transaction, call, found), call);
      if (held) return await this.#started(await this.#joinHeld(held, call, found), call);
    } catch (error) {
      throw this.#caller.pin.route === 'replica' ? explainRefusedWrite(error, 'a replica scope') : error;
    }
    return this.#openAnywhere(call, found);
  }

  async #join(unit: UnitOfWork, call: LongCall<unknown>, found: StatementClass): Promise<LongConnection> {
    const traits = this.#parts.pinned.traitsOf(found, this.#caller.pin);
    if (call.takesTurns === true) {
      const { node, role } = await unit.locate();
      return this.#run({
        on: { node, role, query: (statement) => unit.query(statement, traits) },
        joins: 'transaction',
        call,
      });
    }
    const lent = await unit.lend(traits, () => call.abandon());
    const block = traits.mustNotWrite === true ? READ_ONLY_SAVEPOINT : undefined;
    return this.#begun(this.#run({ on: lent, joins: 'transaction', call, block }));
  }

  async #joinHeld(
    held: HeldConnection,
    call: LongCall<unknown>,
    found: StatementClass,
  ): Promise<LongConnection> {
    const { pin } = this.#caller;
    const lent = await held.lend(() => call.abandon());
    const { node, role } = lent;
    const ended = () => {
      if (role === 'primary') this.#wrote(found, pin.sessions);
    };
    try {
      if (role === 'replica' && pin.isBound) {
        for (const session of pin.sessions) await this.#parts.dispatcher.untilReplayed(node, session);
      }
    } catch (error) {
      lent.release();
      throw error;
    }
    if (call.takesTurns !== true) return this.#run({ on: lent, joins: 'session', call, ended });
    lent.release();
    const query: LongConnection['query'] = (statement) => held.query(statement);
    return this.#run({ on: { node, role, query }, joins: 'session', call, ended });
  }

  /** On a connection of its own; on another where it fails before it has begun. */
  async #openAnywhere<T>(call: LongCall<T>, found: StatementClass): Opened<T> {
    const { dispatcher, demands } = this.#parts;
    const { scope, session, taker } = this.#caller;
    const ordeal = dispatcher.newOrdeal();
    const { text, consistency } = call;
    let asked = demands.ofStatement(scope, session, { text, ...(consistency && { consistency }) }, found);
    for (let attempt = 1; ; attempt++) {
      const demand = asked;
      const borrowed = await dispatcher.borrow(demand, taker, ordeal);
      try {
        const connection = await this.#onItsOwn(borrowed, demand, call, found);
        taker?.sends(text);
        return await this.#started(connection, call);
      } catch (error) {
        const { node, role } = borrowed;
        asked = await dispatcher.again(error, demand, {
          statement: { text },
          node,
          role,
          attempt,
          ordeal,
        });
      }
    }
  }

  #onItsOwn(
    borrowed: Borrowed,
    demand: Demand,
    call: LongCall<unknown>,
    found: StatementClass,
  ): Promise<LongConnection> {
    const mustNotWrite = borrowed.mustNotWrite && !(demand.target === 'replica' && demand.isVouched);
    const own = call.needsTransaction === true ? TRANSACTION : undefined;
    const block = mustNotWrite ? READ_ONLY_BLOCK : own;
    const ended = () => {
      if (borrowed.role !== 'primary') return;
      this.#parts.dispatcher.leavesPrimary(demand);
      if (found.changesCatalog) this.#parts.classes.ran(found);
    };
    return this.#begun(this.#run({ on: borrowed, joins: undefined, call, block, ended }));
  }

  async #started<T>(connection: LongConnection, call: LongCall<T>): Opened<T> {
    try {
      return { connection, started: await call.start(connection) };
    } catch (error) {
      await connection.end('failed');
      throw error;
    }
  }

  async #begun(run: LongRun): Promise<LongConnection> {
    try {
      await run.begin();
      return run;
    } catch (error) {
      await run.end('failed');
      throw error;
    }
  }

  #run({
    ended = () => {},
    call,
    ...rest
  }: {
    on: ConstructorParameters<typeof LongRun>[0]['on'];
    joins: LongConnection['joins'];
    call: LongCall<unknown>;
    block?: Block | undefined;
    ended?: () => void;
  }): LongRun {
    const { request } = this.#caller.scope;
    const holder: Holder = { abandon: async () => call.abandon() };
    request?.hold(holder);
    return new LongRun({
      ...rest,
      ended: () => {
        request?.letGo(holder);
        ended();
      },
    });
  }

  #wrote(found: StatementClass, sessions: readonly Session[]): void {
    if (mayWrite(found)) for (const session of sessions) this.#parts.dispatcher.wrote(session);
    if (found.changesCatalog) this.#parts.classes.ran(found);
  }
}
