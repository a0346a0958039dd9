import { NodeLoads } from '../balancing/node-loads.js';
import type { Role } from '../config/settings.js';
import { codeOf, PgMcpError } from '../errors.js';
import type { KnownText } from '../pool/known-texts.js';
import { HeldUpError, type SharedConnection } from '../pool/shared-connection.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Borrowed } from '../session/borrowed.js';
import { explainRefusedWrite, queryReadOnly } from '../session/read-only.js';
import type { Session } from '../session/session.js';
import { ConnectionFinder, type Chosen, type FinderParts } from './connection-finder.js';
import { isAuto, onPrimary, type Demand } from './demand.js';
import type { KeptTexts } from './kept-texts.js';
import type { Ordeal } from './ordeal.js';
import { MAY_NOT, whyAgain, whyOnPrimary } from './run-again.js';
import { isFaultOfNode } from './whose-fault.js';

export interface DispatcherParts extends Omit<FinderParts, 'loads'> {
  readonly keptTexts: KeptTexts;
}

interface LoneCall {
  readonly ordeal: Ordeal;
  readonly known?: KnownText | undefined;
  /** What was decided for the first attempt. */
  readonly chosen?: Chosen | undefined;
  /** Counts from 1. */
  readonly attempt?: number;
}

interface SharedCall {
  readonly ordeal: Ordeal;
  readonly known: KnownText;
  readonly shared: SharedConnection;
  readonly node: string;
  readonly role: Role;
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

  /**
   * Runs one statement outside any transaction.
   *
   * @param known Given for a plain read: it may share a connection.
   */
  query<R = Row>(demand: Demand, statement: Statement, known?: KnownText): Promise<QueryResult<R>> {
    const ordeal = this.newOrdeal();
    if (known === undefined || known.isSlow) return this.#queryAlone<R>(demand, statement, { ordeal, known });
    const chosen = this.#finder.chooseNow(demand, ordeal);
    const shared = chosen && this.#finder.takeShared(chosen, demand, ordeal);
    if (!shared) return this.#queryAlone<R>(demand, statement, { ordeal, known, chosen });
    const { node, target: role } = chosen;
    return this.#queryShared<R>(demand, statement, { ordeal, known, shared, node: node.name, role });
  }

  /** Most calls come here: they cost one promise, and their steps are few. */
  #queryShared<R>(
    demand: Demand,
    statement: Statement,
    { ordeal, known, shared, node, role }: SharedCall,
  ): Promise<QueryResult<R>> {
    const { clock, tally } = this.#parts;
    const loads = this.#loads;
    const began = clock.now();
    loads.began(node, began);
    return new Promise((resolve) => {
      shared.run<R>(statement, known, (error, result) => {
        const ended = clock.now();
        loads.ended(node);
        if (role === 'primary') this.leavesPrimary(demand);
        if (result) {
          loads.answered(node, ended - began, ended);
          resolve(result);
        } else {
          resolve(this.#afterShared<R>(error, demand, statement, { ordeal, node, role }));
        }
        if (tally.observers.size > 0) tally.queryEnded(node, role, ended - began, error);
      });
    });
  }

  /** What failed on a shared connection runs again on one of its own, where it may. */
  async #afterShared<R>(
    failure: unknown,
    demand: Demand,
    statement: Statement,
    { ordeal, node, role }: Pick<SharedCall, 'ordeal' | 'node' | 'role'>,
  ): Promise<QueryResult<R>> {
    const { clock, tally } = this.#parts;
    // The caller's promise waits for this one from the next microtask on; only then does a stack lead back to him.
    await Promise.resolve();
    await Promise.resolve();
    if (failure instanceof HeldUpError) {
      tally.retried('held-up');
      return this.#queryAlone<R>(demand, statement, { ordeal });
    }
    if (isFaultOfNode(failure)) this.#loads.failed(node, clock.now());
    if (failure instanceof Error && !(failure instanceof PgMcpError)) Error.captureStackTrace(failure);
    const asked = this.again(failure, demand, { statement, node, role, attempt: 1, ordeal });
    return this.#queryAlone<R>(asked, statement, { ordeal, attempt: 2 });
  }

  async #queryAlone<R>(
    demand: Demand,
    statement: Statement,
    { ordeal, known, chosen: first, attempt = 1 }: LoneCall,
  ): Promise<QueryResult<R>> {
    const [finder, loads] = [this.#finder, this.#loads];
    const { clock } = this.#parts;
    let asked = demand;
    let choice = first;
    for (let count = attempt; ; count++, choice = undefined) {
      const now: Demand = asked;
      const chosen = choice ?? finder.chooseNow(now, ordeal);
      // Most calls find a node and a free connection at once: they pay for no promise on the way.
      const borrowed =
        (chosen && finder.takeIdle(chosen, now, ordeal)) ?? (await finder.borrow(now, ordeal, chosen));
      const shared = count === 1 && known?.isSlow === false ? borrowed.share() : undefined;
      if (known && shared) {
        const { node, role } = borrowed;
        return await this.#queryShared<R>(now, statement, { ordeal, known, shared, node, role });
      }
      const began = clock.now();
      loads.began(borrowed.node, began);
      try {
        const result = await (borrowed.mustNotWrite && !isVouched(now)
          ? queryReadOnly<R>(borrowed, statement)
          : borrowed.query<R>(statement));
        const ended = clock.now();
        loads.answered(borrowed.node, ended - began, ended);
        if (known) finder.tookAlone(borrowed.node, known, ended - began);
        return result;
      } catch (error) {
        if (isFaultOfNode(error)) loads.failed(borrowed.node, clock.now());
        const { node, role } = borrowed;
        asked = this.again(error, now, { statement, node, role, attempt: count, ordeal });
      } finally {
        loads.ended(borrowed.node);
        if (borrowed.role === 'primary') this.leavesPrimary(now);
        borrowed.release();
      }
    }
  }

  /**
   * What to ask for after a failure, where the call may run once more.
   *
   * @throws the failure, where it may not.
   */
  again(
    error: unknown,
    demand: Demand,
    failed: { statement: Pick<Statement, 'text'>; node: string; role: Role; attempt: number; ordeal: Ordeal },
  ): Demand {
    const { tally, clock, classes, keptTexts } = this.#parts;
    const { statement, node, role, attempt, ordeal } = failed;
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
