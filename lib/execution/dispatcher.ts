import { NodeLoads } from '../balancing/node-loads.js';
import type { Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { codeOf, ConnectError, PgMcpError } from '../errors.js';
import type { NodePool } from '../pool/node-pool.js';
import type { PooledConnection } from '../pool/pooled-connection.js';
import type { QueryResult, Row, Statement } from '../query.js';
import { route, whyNoPrimary, type Decision } from '../routing/route.js';
import type { Borrowed } from '../session/borrowed.js';
import { explainRefusedWrite, queryReadOnly } from '../session/read-only.js';
import type { Session } from '../session/session.js';
import type { Monitor } from '../topology/monitor.js';
import { nodeOf, type NodeState, type Topology } from '../topology/topology.js';
import { stillFailed, type Ordeal } from './ordeal.js';
import { PoolConnection } from './pool-connection.js';
import { MAY_NOT, whyAgain, whyOnPrimary } from './run-again.js';
import {
  floorOf,
  intentOf,
  isAuto,
  misfitOf,
  onPrimary,
  rememberRead,
  stickTo,
  type Demand,
  type ReplicaDemand,
} from './demand.js';
import type { KeptTexts } from './kept-texts.js';
import type { StatementClasses } from './statement-classes.js';
import type { Tally } from './tally.js';
import { isFaultOfNode } from './whose-fault.js';

export interface DispatcherParts {
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly monitor: Monitor;
  readonly pools: ReadonlyMap<string, NodePool>;
  readonly tally: Tally;
  readonly classes: StatementClasses;
  readonly keptTexts: KeptTexts;
}

type Chosen = Extract<Decision, { node: NodeState }>;

/** Brings calls to nodes: decides by the topology of the moment, waits where that helps, tries again where it is safe. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #loads = new NodeLoads();
  #turn = 0;
  #hasWarnedOfPath = false;
  #state: 'new' | 'open' | 'closed' = 'new';

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Takes calls; they wait for a primary to be found. */
  open(): void {
    this.#state = 'open';
  }

  /** Refuses every call from now on with `CLUSTER_CLOSED`. */
  close(): void {
    this.#state = 'closed';
  }

  /** Runs one statement outside any transaction. */
  async query<R = Row>(demand: Demand, statement: Statement): Promise<QueryResult<R>> {
    const ordeal = this.#newOrdeal();
    const loads = this.#loads;
    const { clock } = this.#parts;
    let asked = demand;
    for (let attempt = 1; ; attempt++) {
      const now: Demand = asked;
      const chosen = this.#chooseNow(now, ordeal);
      // Most calls find a node and a free connection at once: they pay for no promise on the way.
      const borrowed =
        (chosen && this.#takeIdle(chosen, now, ordeal)) ?? (await this.#borrow(now, ordeal, chosen));
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
        if (borrowed.role === 'primary') this.#leavesPrimary(now);
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
  #leavesPrimary(demand: Demand): void {
    if (demand.target === 'primary' && demand.marks) this.wrote(demand.marks);
    if (demand.target === 'primary' || !demand.stickiness || demand.reason === 'read') return;
    demand.stickiness.primaryReadAt = this.#parts.clock.now();
  }

  /** Something that may have written for a session has ended on the primary. */
  wrote(session: Session): void {
    session.wrote(this.#parts.clock.now());
    this.#parts.monitor.sampleSoon();
  }

  /**
   * A connection for a call, on another node where one can't be reached.
   *
   * @throws PgMcpError `NO_PRIMARY` or `NO_REPLICA` when none could serve within `acquire_timeout`.
   */
  borrow(demand: Demand): Promise<Borrowed> {
    return this.#borrow(demand, this.#newOrdeal());
  }

  #newOrdeal(): Ordeal {
    return { failed: new Map(), patienceMs: this.#parts.settings.pool.acquireTimeoutMs };
  }

  /** @param choice What the call has decided already, for the first attempt. */
  async #borrow(demand: Demand, ordeal: Ordeal, choice?: Chosen): Promise<Borrowed> {
    const { clock, monitor } = this.#parts;
    const deadline = clock.now() + ordeal.patienceMs;
    for (let chosen = choice; ; chosen = undefined) {
      chosen ??= await this.#choose(demand, ordeal, deadline);
      const { name } = chosen.node;
      try {
        const connection = await this.#acquire(chosen, Math.max(0, deadline - clock.now()));
        const isAsChosen = chosen.target === roleIn(monitor.topology, name);
        if (isAsChosen && this.#accept(demand, chosen, connection, ordeal)) {
          rememberRead(demand, chosen);
          ordeal.patienceMs = Math.max(0, deadline - clock.now());
          return this.#lend(chosen, connection);
        }
        // What was decided holds no longer: the node changed its role meanwhile, or is another server.
        this.#poolOf(name).release(connection);
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        // A primary that refuses will go on to; for a read there are other nodes.
        if (chosen.target === 'primary' && !error.isUnreachable) throw error;
        this.#parts.tally.retried('not-sent');
        ordeal.failed.set(name, clock.now());
        this.#loads.failed(name, clock.now());
        ordeal.lastError = error;
        if (chosen.target === 'primary') await this.#untilPrimary(error, deadline);
      }
    }
  }

  /** The node for a call by the topology of this moment; undefined when none can serve. */
  #chooseNow(demand: Demand, { failed, whyNoReplica }: Ordeal): Chosen | undefined {
    this.#refuseUnlessOpen();
    const decision = this.#route(this.#parts.monitor.topology, demand, failed);
    if (!decision.node) return undefined;
    const isInstead = decision.reason === 'no-replica' && whyNoReplica !== undefined;
    this.#parts.tally.decided(decision.target, isInstead ? whyNoReplica : decision.reason);
    stickTo(demand, decision);
    return decision;
  }

  /** The same, waiting for one where the call is willing to. */
  async #choose(demand: Demand, ordeal: Ordeal, deadline: number): Promise<Chosen> {
    const { clock, monitor } = this.#parts;
    const decide = (topology: Topology) => this.#route(topology, demand, ordeal.failed);
    const mayWait = !(demand.target === 'replica' && demand.onUnavailable === 'fail');
    if (demand.target === 'replica') await this.#lookAhead(demand);
    let chosen = this.#chooseNow(demand, ordeal);
    while (!chosen && mayWait) {
      const suits = (topology: Topology) => decide(topology).node !== undefined;
      const found = await monitor.until(suits, Math.max(0, deadline - clock.now()));
      chosen = this.#chooseNow(demand, ordeal);
      if (!found) break;
    }
    if (chosen) return chosen;
    throw this.#nobody(demand, decide(monitor.topology), ordeal.lastError);
  }

  #takeIdle(chosen: Chosen, demand: Demand, ordeal: Ordeal): Borrowed | undefined {
    const pool = this.#poolOf(chosen.node.name);
    const connection = pool.takeIdle();
    if (!connection) return undefined;
    if (!this.#accept(demand, chosen, connection, ordeal)) {
      pool.release(connection);
      return undefined;
    }
    rememberRead(demand, chosen);
    this.#tellAcquired(chosen, 0);
    return this.#lend(chosen, connection);
  }

  /** Whether a connection to a replica is to the server that was judged, and means what the text means. */
  #accept(demand: Demand, { node, target }: Chosen, { driver }: PooledConnection, ordeal: Ordeal): boolean {
    if (demand.target === 'primary' || target === 'primary') return true;
    const { clock, classes, monitor } = this.#parts;
    const misfit = misfitOf(demand, node, driver.identity, classes.searchPath);
    if (misfit === undefined) return true;
    ordeal.failed.set(node.name, clock.now());
    ordeal.whyNoReplica = misfit;
    if (misfit === 'behind-session') void monitor.probeNow(node.name);
    else this.#warnOfPath(node.name, driver.identity?.searchPath);
    return false;
  }

  #warnOfPath(node: string, found: string | undefined): void {
    if (this.#hasWarnedOfPath) return;
    this.#hasWarnedOfPath = true;
    process.emitWarning(
      `undecorated reads stay on the primary: the search_path there is ${this.#parts.classes.searchPath}, on ${node} ${found ?? 'not known'}; ALTER ROLE … SET search_path for the replicas' account, or grant it USAGE`,
    );
  }

  #route(topology: Topology, demand: Demand, failed: Ordeal['failed']): Decision {
    const { settings, clock, random, pools, monitor } = this.#parts;
    const now = clock.now();
    const decision = route(topology, intentOf(demand, topology), {
      settings: settings.routing,
      chance: { random, nextTurn: () => this.#turn++ },
      failed: stillFailed(failed, topology, demand),
      now,
      // Transactions and leases count by their connections, and so do calls that still wait for one.
      inFlight: (node) => {
        const counts = pools.get(node)?.counts;
        return Math.max(this.#loads.inFlight(node), counts ? counts.active + counts.pending : 0);
      },
      latencyMs: (node) => this.#loads.latencyMs(node),
      heldMs: (node) => this.#loads.heldMs(node, now),
    });
    // The next read, or this one where it waits, may find that a replica has caught up.
    if (dependsOnPositions(decision)) monitor.sampleSoon();
    return decision;
  }

  /**
   * Another process has heard of a newer timeline: this one looks once. A session that was ahead of what is found
   * then belongs to a life that the cluster has left, as after a restore.
   */
  async #lookAhead({ session, isBound }: ReplicaDemand): Promise<void> {
    const { monitor, tally } = this.#parts;
    if (!isBound || !session.isMarked || floorOf(session, monitor.topology) !== 'ahead') return;
    await monitor.probeAllAnew();
    if (floorOf(session, monitor.topology) !== 'ahead' || monitor.topology.primary === undefined) return;
    session.forgetAhead(monitor.topology.newestTimeline);
    tally.ignoredToken('forked');
  }

  async #acquire(chosen: Chosen, timeoutMs: number): Promise<PooledConnection> {
    const { clock } = this.#parts;
    const began = clock.now();
    try {
      const connection = await this.#poolOf(chosen.node.name).acquire(timeoutMs);
      this.#tellAcquired(chosen, clock.now() - began);
      return connection;
    } catch (error) {
      this.#tellAcquired(chosen, clock.now() - began, error);
      throw error;
    }
  }

  #lend({ node, target, mustNotWrite }: Chosen, connection: PooledConnection): Borrowed {
    const { clock, tally } = this.#parts;
    const pool = this.#poolOf(node.name);
    return new PoolConnection(node.name, target, mustNotWrite, { connection, pool, clock, tally });
  }

  #tellAcquired({ node, target }: Chosen, elapsedMs: number, error?: unknown): void {
    const { observers } = this.#parts.tally;
    if (observers.size === 0) return;
    const seconds = elapsedMs / 1_000;
    const event = { node: node.name, role: target, seconds, ...(error !== undefined && { error }) };
    for (const observer of observers) observer.acquired?.(event);
  }

  #poolOf(node: string): NodePool {
    const pool = this.#parts.pools.get(node);
    if (!pool) throw new Error(`no pool for ${node}`);
    return pool;
  }

  /** After the primary could not be reached: until a probe has found one. */
  async #untilPrimary(error: ConnectError, deadline: number): Promise<void> {
    const { clock, monitor } = this.#parts;
    const { version } = monitor.topology;
    const hasPrimary = (topology: Topology) =>
      topology.version > version &&
      topology.primary !== undefined &&
      nodeOf(topology, topology.primary)?.health === 'up';
    const found = await monitor.until(hasPrimary, Math.max(0, deadline - clock.now()));
    this.#refuseUnlessOpen();
    if (!found)
      throw new PgMcpError('NO_PRIMARY', noPrimary(monitor.topology), { cause: error, safeToRetry: true });
  }

  #refuseUnlessOpen(): void {
    if (this.#state === 'open') return;
    const [code, message] =
      this.#state === 'new'
        ? (['NOT_CONNECTED', 'the cluster is not connected: call connect() first'] as const)
        : (['CLUSTER_CLOSED', 'the cluster is closed'] as const);
    throw new PgMcpError(code, message, { safeToRetry: true });
  }

  #nobody(demand: Demand, decision: Decision, cause: unknown) {
    const options = { cause, safeToRetry: true };
    if (demand.target === 'primary')
      return new PgMcpError('NO_PRIMARY', noPrimary(this.#parts.monitor.topology), options);
    const refusals = decision.node ? [] : decision.refusals;
    const reasons = refusals.map((refusal) => `${refusal.node}: ${refusal.reason} (${refusal.detail})`);
    if (demand.onUnavailable === 'primary') {
      const message = `no node is known to have what this session has written: ${noPrimary(this.#parts.monitor.topology)}`;
      const isBehind = refusals.some(({ reason }) => reason === 'behind-session');
      const isAhead = refusals.length === 0 && demand.isBound && demand.session.isMarked;
      if (isBehind || isAhead)
        return new PgMcpError('CONSISTENCY_UNAVAILABLE', message, options);
    }
    const why = reasons.length > 0 ? reasons.join('; ') : 'the cluster has none';
    return new PgMcpError('NO_REPLICA', `no replica can serve this read: ${why}`, options);
  }

  #failOnReplicas({ failed }: Ordeal): void {
    const { clock, monitor } = this.#parts;
    for (const { name, role } of monitor.topology.nodes)
      if (role === 'replica') failed.set(name, clock.now());
  }
}

function noPrimary(topology: Topology): string {
  return `no primary to send this to: ${whyNoPrimary(topology)}`;
}

function isVouched(demand: Demand): boolean {
  return demand.target === 'replica' && demand.isVouched;
}

/** What the server refuses there as a write, it refuses for the scope. */
function isReadOnlyScope(demand: Demand): boolean {
  return demand.target === 'replica' ? !isAuto(demand) : demand.mustNotWrite === true;
}

function dependsOnPositions(decision: Decision): boolean {
  return decision.node
    ? decision.reason === 'behind-session' || decision.reason === 'scope-on-primary'
    : decision.refusals.some(({ reason }) => reason === 'behind-session');
}

function roleIn(topology: Topology, node: string): Chosen['target'] {
  return topology.primary === node ? 'primary' : 'replica';
}
