import { NodeLoads } from '../balancing/node-loads.js';
import { codeOf } from '../errors.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Borrowed } from '../session/borrowed.js';
import { explainRefusedWrite, queryReadOnly } from '../session/read-only.js';
import type { Session } from '../session/session.js';
import { ConnectionFinder, type FinderParts } from './connection-finder.js';
import { isAuto, onPrimary, type Demand } from './demand.js';
import type { KeptTexts } from './kept-texts.js';
import type { Ordeal } from './ordeal.js';
import { MAY_NOT, whyAgain, whyOnPrimary } from './run-again.js';
import { isFaultOfNode } from './whose-fault.js';

export interface DispatcherParts extends Omit<FinderParts, 'loads'> {
  readonly keptTexts: KeptTexts;
}

/** Brings calls to nodes, and tries them again where it is safe. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #loads = new NodeLoads();
  readonly #finder: ConnectionFinder;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#finder = new ConnectionFinder({ ...parts, loads: this.#loads });
  }

  /** Takes calls; they wait for a primary to be found. */
  open(): void {
    this.#finder.open();
  }

  /** Refuses every call from now on with `CLUSTER_CLOSED`. */
  close(): void {
    this.#finder.close();
  }

  /** Runs one statement outside any transaction. */
  async query<R = Row>(demand: Demand, statement: Statement): Promise<QueryResult<R>> {
    const ordeal = this.newOrdeal();
    const [finder, loads] = [this.#finder, this.#loads];
    const { clock } = this.#parts;
    let asked = demand;
    for (let attempt = 1; ; attempt++) {
      const now: Demand = asked;
      const chosen = finder.chooseNow(now, ordeal);
      // Most calls find a node and a free connection at once: they pay for no promise on the way.
      const borrowed =
        (chosen && finder.takeIdle(chosen, now, ordeal)) ?? (await finder.borrow(now, ordeal, chosen));
      const began = clock.now();
      loads.began(borrowed.node, began);
      try {
        const result = await (borrowed.mustNotWrite && !isVouched(now)
          ? queryReadOnly<R>(borrowed, statement)
          : borrowed.query<R>(statement));
        const ended = clock.now();
        loads.answered(borrowed.node, ended - began, ended);
        return result;
      } catch (error) {
        if (isFaultOfNode(error)) loads.failed(borrowed.node, clock.now());
        asked = this.#again(error, now, { statement, borrowed, attempt, ordeal });
      } finally {
        loads.ended(borrowed.node);
        if (borrowed.role === 'primary') this.leavesPrimary(now);
        borrowed.release();
      }
    }
  }

  /** What to ask for after a failure, where the call may run once more. */
  #again(
    error: unknown,
    demand: Demand,
    failed: { statement: Statement; borrowed: Borrowed; attempt: number; ordeal: Ordeal },
  ): Demand {
    const { tally, clock, classes, keptTexts } = this.#parts;
    const { statement, borrowed, attempt, ordeal } = failed;
    const { role, node } = borrowed;
    const differs = isAuto(demand) && role === 'replica' ? whyOnPrimary(error) : undefined;
    if (differs && isAuto(demand)) {
      tally.retried(differs);
      if (differs === 'refused-on-standby') classes.keepFromReplicas(statement.text);
      if (codeOf(error) === MAY_NOT) keptTexts.differed(statement.text, clock.now());
      return onPrimary(demand, differs);
    }
    const isRead = demand.target === 'replica' || demand.marks === undefined;
    const again = whyAgain(error, { isRead, role, attempt });
    if (!again) throw isReadOnlyScope(demand) ? explainRefusedWrite(error, node) : error;
    tally.retried(again);
    ordeal.failed.set(node, clock.now());
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
   * @throws PgMcpError `NO_PRIMARY` or `NO_REPLICA` when none could serve within `acquire_timeout`.
   */
  borrow(demand: Demand, ordeal = this.newOrdeal()): Promise<Borrowed> {
    return this.#finder.borrow(demand, ordeal);
  }

  /** Of a call that begins now. */
  newOrdeal(): Ordeal {
    return { failed: new Map(), patienceMs: this.#parts.settings.pool.acquireTimeoutMs };
  }

  #failOnReplicas({ failed }: Ordeal): void {
    const { clock, monitor } = this.#parts;
    for (const { name, role } of monitor.topology.nodes)
      if (role === 'replica') failed.set(name, clock.now());
  }
}

function isVouched(demand: Demand): boolean {
  return demand.target === 'replica' && demand.isVouched;
}

/** What the server refuses there as a write, it refuses for the scope. */
function isReadOnlyScope(demand: Demand): boolean {
  return demand.target === 'replica' ? !isAuto(demand) : demand.mustNotWrite === true;
}
