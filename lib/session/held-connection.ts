import { PgMcpError } from '../errors.js';
import type { QueryResult, Row, Statement } from '../query.js';
import { OneTurn, type Borrowed, type ConnectionSource } from './borrowed.js';
import { Lending, type Lent } from './lending.js';
import type { Patience } from './patience.js';
import { Turns } from './turns.js';

/**
 * One physical connection that a scope keeps from its first statement to its end (`session: true`, a
 * lease). Its users take turns on it.
 */
export class HeldConnection implements ConnectionSource {
  readonly #source: ConnectionSource;
  readonly #isReset: boolean;
  readonly #turns = new Turns();
  readonly #lending: Lending;
  readonly #atEnd: (() => void)[] = [];
  #held: Borrowed | undefined;
  #isEnded = false;
  #cutBecause: PgMcpError | undefined;

  /** @param isReset Whether the session is taken back to how it began in any case, or only where a statement left traces. */
  constructor(source: ConnectionSource, patience: Patience, isReset = true) {
    this.#source = source;
    this.#isReset = isReset;
    this.#lending = new Lending(patience);
  }

  /** Gives the connection back after the turn that runs now; those behind it are refused. */
  async abandon(): Promise<void> {
    this.#isEnded = true;
    this.#lending.abandonAll();
    await this.end();
  }

  get hasEnded(): boolean {
    return this.#isEnded;
  }

  /** Takes the connection from its users and cuts it: what runs on it fails, and what is asked for later, with that reason. */
  cut(reason: PgMcpError): void {
    this.#cutBecause = reason;
    this.#isEnded = true;
    this.#lending.abandonAll();
    this.#held?.cut(reason);
    this.#leave();
  }

  async query<R = Row>(statement: Statement): Promise<QueryResult<R>> {
    const borrowed = await this.borrow();
    try {
      return await borrowed.query<R>(statement);
    } finally {
      borrowed.release();
    }
  }

  /** The connection for one turn: its `release` ends the turn, not the holding. */
  borrow(): Promise<Borrowed> {
    return new Promise((resolve, reject) => {
      this.#inTurn(async () => {
        const held = await this.#take();
        await new Promise<void>((release) => resolve(new OneTurn(held, release)));
      }).catch(reject);
    });
  }

  /** The same, for a turn that may last. @param abandon Told when the connection is given back before it is over. */
  lend(abandon: () => void): Promise<Lent> {
    return new Promise((resolve, reject) => {
      this.#inTurn(async () => this.#lending.lend(await this.#take(), abandon, resolve)).catch(reject);
    });
  }

  /** Gives the connection back once the turns taken so far are over. */
  async end(): Promise<void> {
    const finish = () => this.#giveBack();
    try {
      await this.#inTurn(finish);
    } catch (error) {
      if (!this.#lending.isUnderWay) throw error;
      // What nobody reads on would hold it for ever.
      this.#lending.abandonAll();
      await this.#turns.take(finish);
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    return this.#lending.wait((begin) => this.#turns.take(begin), work);
  }

  async #giveBack(): Promise<void> {
    this.#isEnded = true;
    if (this.#isReset) this.#held?.taint();
    this.#leave();
  }

  #leave(): void {
    this.#held?.release();
    this.#held = undefined;
    for (const task of this.#atEnd.splice(0)) task();
  }

  /** Has something done once it is given back, by whomever; at once where that has happened. */
  atEnd(task: () => void): void {
    if (this.#isEnded) task();
    else this.#atEnd.push(task);
  }

  /** @throws PgMcpError with the reason for which it was cut. */
  refuseWhenCut(): void {
    if (this.#cutBecause) throw new PgMcpError('LEASE_RELEASED', this.#cutBecause.message);
  }

  async #take(): Promise<Borrowed> {
    this.refuseWhenCut();
    if (this.#isEnded) {
      throw new PgMcpError(
        'LEASE_RELEASED',
        'the connection was given back: its scope has ended, or it was released',
      );
    }
    this.#held ??= await this.#open();
    // That may have been while it was being set up.
    this.refuseWhenCut();
    return this.#held;
  }

  async #open(): Promise<Borrowed> {
    const borrowed = await this.#source.borrow();
    if (!borrowed.mustNotWrite) return borrowed;
    try {
      // Once for all that will run on it; the reset at the end takes it back.
      await borrowed.query({ text: 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY' });
      return borrowed;
    } catch (error) {
      borrowed.release();
      throw error;
    }
  }
}
