import { NodeLoads } from '../balancing/node-loads.js';
import type { Role } from '../config/settings.js';
import { codeOf, leadToCaller } from '../errors.js';
import type { KnownText } from '../pool/known-texts.js';
import { HeldUpError, type SharedConnection } from '../pool/shared-connection.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { ConnectionSource } from '../session/borrowed.js';
import { explainRefusedWrite, queryReadOnly } from '../session/read-only.js';
import type { Session } from '../session/session.js';
import { ConnectionFinder, type Chosen, type FinderParts, type FirstTry } from './connection-finder.js';
import { isAuto, onPrimary, type Demand } from './demand.js';
import type { KeptTexts } from './kept-texts.js';
import { noteFailure, type Ordeal } from './ordeal.js';
import type { PoolConnection } from './pool-connection.js';
import { RefusedWrites } from './refused-writes.js';
import { isRefusedOnPrimary, MAY_NOT, MOST_ATTEMPTS, whyAgain, whyOnPrimary } from './run-again.js';
import type { Taker } from './taker.js';
import { WaitingCalls } from './waiting-calls.js';
import { isFaultOfNode } from './whose-fault.js';

export interface DispatcherParts extends Omit<FinderParts, 'loads' | 'waiting'> {
  readonly keptTexts: KeptTexts;
}

/** The first attempt of a call: most calls need no other. */
interface FirstAttempt<R> {
  readonly demand: Demand;
  readonly statement: Statement;
  /** Of a plain read: it may share a connection. */
  readonly known: KnownText | undefined;
  readonly ordeal: Ordeal;
  readonly chosen: Chosen;
  readonly settle: (result: QueryResult<R> | Promise<QueryResult<R>>) => void;
}

interface FurtherAttempts {
  readonly ordeal: Ordeal;
  readonly first?: FirstTry;
  /** Counts from 1. */
  readonly attempt?: number;
}

/** Brings calls to nodes, and tries them again where it is safe. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #loads = new NodeLoads();
  readonly #finder: ConnectionFinder;
  readonly #refusedWrites: RefusedWrites;

  constructor(parts: DispatcherParts) {
    const { clock, monitor, settings } = parts;
    this.#parts = parts;
    const waiting = new WaitingCalls(monitor, settings.failover.maxWaitingCalls);
    this.#finder = new ConnectionFinder({ ...parts, loads: this.#loads, waiting });
    this.#refusedWrites = new RefusedWrites({ clock, monitor, waiting });
  }

  /** Takes calls; they wait for a primary to be found. */
  open(): void {
    this.#finder.open();
  }

  /** Refuses every call from now on with `CLUSTER_CLOSED`. */
  close(): void {
    this.#finder.close();
  }

  /**
   * Runs one statement outside any transaction.
   *
   * @param known Given for a plain read: it may share a connection.
   */
  query<R = Row>(demand: Demand, statement: Statement, known?: KnownText): Promise<QueryResult<R>> {
    const ordeal = this.newOrdeal();
    const chosen = this.#finder.chooseNow(demand, ordeal, known);
    if (!chosen || (chosen.mustNotWrite && !isVouched(demand)))
      return this.#queryOn<R>(demand, statement, { ordeal, first: { chosen } });
    // Callbacks all the way: this promise is the only one that a call costs.
    return new Promise((settle) => {
      const attempt = { demand, statement, known, ordeal, chosen, settle };
      const shared =
        known?.isSlow === false ? this.#finder.takeShared(chosen, demand, ordeal, known) : undefined;
      if (known && shared) this.#share(attempt, known, shared);
      else this.#waitForOne(attempt);
    });
  }

  #share<R>(attempt: FirstAttempt<R>, known: KnownText, shared: SharedConnection): void {
    const began = this.#began(attempt.chosen);
    shared.run<R>(attempt.statement, known, (error, result) => this.#over(attempt, began, error, result));
  }

  #waitForOne<R>(attempt: FirstAttempt<R>): void {
    const { chosen, demand, statement, known, ordeal, settle } = attempt;
    this.#finder.wait(chosen, demand, ordeal, (error, connection) => {
      if (!connection) {
        settle(
          this.#queryOn<R>(demand, statement, {
            ordeal,
            first: error === undefined ? {} : { chosen, error },
          }),
        );
        return;
      }
      const pool = this.#finder.poolOf(chosen.node.name);
      const shared = known?.isSlow === false ? pool.shared.adopt(connection) : undefined;
      if (known && shared) {
        this.#share(attempt, known, shared);
        return;
      }
      const began = this.#began(chosen);
      connection.ask<R>(statement, (error, result) => {
        pool.release(connection);
        if (known && result) pool.shared.tookAlone(known, began);
        this.#over(attempt, began, error, result);
      });
    });
  }

  #began({ node }: Chosen): number {
    const now = this.#parts.clock.now();
    this.#loads.began(node.name, now);
    return now;
  }

  #over<R>(attempt: FirstAttempt<R>, began: number, error: unknown, result?: QueryResult<R>): void {
    const { clock, tally } = this.#parts;
    const { demand, chosen, settle } = attempt;
    const { node, target } = chosen;
    const ended = clock.now();
    this.#loads.ended(node.name);
    if (target === 'primary') this.leavesPrimary(demand);
    if (result) {
      this.#loads.answered(node.name, ended - began, ended);
      settle(result);
    } else settle(this.#afterFailure(attempt, error));
    if (tally.observers.size > 0) tally.queryEnded(node.name, target, ended - began, error);
  }

  /** What failed at first runs again, where it may. */
  async #afterFailure<R>(
    { demand, statement, ordeal, chosen: { node, target } }: FirstAttempt<R>,
    failure: unknown,
  ): Promise<QueryResult<R>> {
    // The caller's promise waits for this one from the next microtask on; only then does a stack lead back to him.
    await Promise.resolve();
    await Promise.resolve();
    if (failure instanceof HeldUpError) {
      this.#parts.tally.retried('held-up');
      return this.#queryOn<R>(demand, statement, { ordeal });
    }
    leadToCaller(failure);
    if (isFaultOfNode(failure)) this.#loads.failed(node.name, this.#parts.clock.now());
    const failed = { statement, node: node.name, role: target, attempt: 1, ordeal };
    return this.#queryOn<R>(await this.again(failure, demand, failed), statement, { ordeal, attempt: 2 });
  }

  async #queryOn<R>(
    demand: Demand,
    statement: Statement,
    { ordeal, first, attempt = 1 }: FurtherAttempts,
  ): Promise<QueryResult<R>> {
    const [finder, loads] = [this.#finder, this.#loads];
    const { clock } = this.#parts;
    let asked = demand;
    let tried = first;
    for (let count = attempt; ; count++, tried = undefined) {
      const now: Demand = asked;
      const borrowed = await finder.borrow(now, ordeal, { first: tried });
      const began = clock.now();
      loads.began(borrowed.node, began);
      let failure: unknown;
      try {
        const result = await (borrowed.mustNotWrite && !isVouched(now)
          ? queryReadOnly<R>(borrowed, statement)
          : borrowed.query<R>(statement));
        const ended = clock.now();
        loads.answered(borrowed.node, ended - began, ended);
        return result;
      } catch (error) {
        if (isFaultOfNode(error)) loads.failed(borrowed.node, clock.now());
        failure = error;
      } finally {
        loads.ended(borrowed.node);
        if (borrowed.role === 'primary') this.leavesPrimary(now);
        borrowed.release();
      }
      // With the connection given back: this may take a while.
      const { node, role } = borrowed;
      asked = await this.again(failure, now, { statement, node, role, attempt: count, ordeal });
    }
  }

  /**
   * What to ask for after a failure, once the call may run once more.
   *
   * @throws the failure, where it may not.
   */
  async again(
    error: unknown,
    demand: Demand,
    failed: { statement: Pick<Statement, 'text'>; node: string; role: Role; attempt: number; ordeal: Ordeal },
  ): Promise<Demand> {
    const { tally, clock, classes, keptTexts, monitor } = this.#parts;
    const { statement, node, role, attempt, ordeal } = failed;
    const differs = isAuto(demand) && role === 'replica' ? whyOnPrimary(error) : undefined;
    if (differs && isAuto(demand)) {
      tally.retried(differs);
      if (differs === 'refused-on-standby') classes.keepFromReplicas(statement.text);
      if (codeOf(error) === MAY_NOT) keptTexts.differed(statement.text, clock.now());
      return onPrimary(demand, differs);
    }
    const wasRefused = role === 'primary' && attempt < MOST_ATTEMPTS && !isHeldToReading(demand);
    if (wasRefused && isRefusedOnPrimary(error, statement.text)) {
      await this.#refusedWrites.untilTaken(error, node, ordeal);
      tally.retried('refused-on-primary');
      return demand;
    }
    const isRead = demand.target === 'replica' || demand.marks === undefined;
    const again = whyAgain(error, { isRead, role, attempt });
    if (!again) throw isHeldToReading(demand) ? explainRefusedWrite(error, node) : error;
    tally.retried(again);
    noteFailure(ordeal, node, clock.now());
    // It goes there again when a probe has found it well, and that should not be long.
    if (role === 'primary') void monitor.probeAnew(node);
    ordeal.lastError = error;
    if (again === 'recovery-conflict') keptTexts.conflicted(statement.text, clock.now());
    // A conflict with recovery met twice is a property of the statement: the primary has none.
    if (again === 'recovery-conflict' && attempt > 1) this.#failOnReplicas(ordeal);
    return demand;
  }

  /** A statement on the primary has ended, one way or another. */
  leavesPrimary(demand: Demand): void {
    if (demand.target === 'primary' && demand.marks) this.wrote(demand.marks);
    if (demand.target === 'primary' || !demand.stickiness || demand.reason === 'read') return;
    demand.stickiness.primaryReadAt = this.#parts.clock.now();
  }

  /** Something that may have written for a session has ended on the primary. */
  wrote(session: Session): void {
    session.wrote(this.#parts.clock.now());
    if (this.#finder.hasBoundReaders) this.#parts.monitor.sampleSoon(true);
  }

  /**
   * Waits until a replica is known to have what a session has written; on a connection that is held, there is no
   * other to go to.
   *
   * @throws PgMcpError `CONSISTENCY_UNAVAILABLE` after `acquire_timeout`.
   */
  untilReplayed(node: string, session: Session): Promise<void> {
    return session.isMarked ? this.#finder.untilReplayed(node, session) : Promise.resolve();
  }

  /**
   * A connection for a call, on another node where one can't be reached.
   *
   * @param taker Who will keep it, where that is watched.
   * @throws PgMcpError `NO_PRIMARY` or `NO_REPLICA` when none could serve within `acquire_timeout`.
   */
  borrow(demand: Demand, taker?: Taker, ordeal = this.newOrdeal()): Promise<PoolConnection> {
    return this.#finder.borrow(demand, ordeal, { taker });
  }

  /**
   * Where a transaction gets its connection; and another one, where the first was of a primary that is none any more
   * and the transaction had not done anything yet.
   */
  source(demand: () => Demand, taker: Taker | undefined): ConnectionSource {
    return {
      borrow: () => this.borrow(demand(), taker),
      refused: async (error, { node, role }) => {
        if (role !== 'primary' || isHeldToReading(demand()) || !isRefusedOnPrimary(error, '')) throw error;
        await this.#refusedWrites.untilTaken(error, node, this.newOrdeal());
        this.#parts.tally.retried('refused-on-primary');
      },
    };
  }

  /** Of a call that begins now. */
  newOrdeal(): Ordeal {
    return { failed: undefined, patienceMs: this.#parts.settings.pool.acquireTimeoutMs };
  }

  #failOnReplicas(ordeal: Ordeal): void {
    const { clock, monitor } = this.#parts;
    for (const { name, role } of monitor.topology.nodes)
      if (role === 'replica') noteFailure(ordeal, name, clock.now());
  }
}

function isVouched(demand: Demand): boolean {
  return demand.target === 'replica' && demand.isVouched;
}

/** What the server refuses there as a write, it refuses for the scope. */
function isHeldToReading(demand: Demand): boolean {
  return demand.target === 'replica' ? !isAuto(demand) : demand.mustNotWrite === true;
}
