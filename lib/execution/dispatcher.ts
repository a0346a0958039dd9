import { NodeLoads } from '../balancing/node-loads.js';
import type { Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { ConnectError, PgMcpError } from '../errors.js';
import type { NodePool } from '../pool/node-pool.js';
import type { PooledConnection } from '../pool/pooled-connection.js';
import type { QueryResult, Row, Statement } from '../query.js';
import { route, whyNoPrimary, type Decision } from '../routing/route.js';
import type { Borrowed } from '../session/borrowed.js';
import { explainRefusedWrite, queryReadOnly } from '../session/read-only.js';
import type { Monitor } from '../topology/monitor.js';
import { nodeOf, type NodeState, type Topology } from '../topology/topology.js';
import { stillFailed, type Ordeal } from './ordeal.js';
import { PoolConnection } from './pool-connection.js';
import { whyAgain } from './run-again.js';
import { intentOf, rememberRead, stickTo, type Demand } from './stickiness.js';
import type { Tally } from './tally.js';
import { isFaultOfNode } from './whose-fault.js';

export interface DispatcherParts {
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly monitor: Monitor;
  readonly pools: ReadonlyMap<string, NodePool>;
  readonly tally: Tally;
}

type Chosen = Extract<Decision, { node: NodeState }>;

/** Brings calls to nodes: decides by the topology of the moment, waits where that helps, tries again where it is safe. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #loads = new NodeLoads();
  #turn = 0;
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
    for (let attempt = 1; ; attempt++) {
      const chosen = this.#chooseNow(demand, ordeal);
      // Most calls find a node and a free connection at once: they pay for no promise on the way.
      const borrowed =
        (chosen && this.#takeIdle(chosen, demand)) ?? (await this.#borrow(demand, ordeal, chosen));
      const began = clock.now();
      loads.began(borrowed.node, began);
      try {
        const result = await (borrowed.mustNotWrite
          ? queryReadOnly<R>(borrowed, statement)
          : borrowed.query<R>(statement));
        const now = clock.now();
        loads.answered(borrowed.node, now - began, now);
        return result;
      } catch (error) {
        if (isFaultOfNode(error)) loads.failed(borrowed.node, clock.now());
        const again = whyAgain(error, { isRead: demand.target === 'replica', role: borrowed.role, attempt });
        if (!again) throw demand.target === 'replica' ? explainRefusedWrite(error, borrowed.node) : error;
        this.#parts.tally.retried(again);
        ordeal.failed.set(borrowed.node, clock.now());
        ordeal.lastError = error;
        // A conflict with recovery met twice is a property of the statement: the primary has none.
        if (again === 'recovery-conflict' && attempt > 1) this.#failOnReplicas(ordeal);
      } finally {
        loads.ended(borrowed.node);
        borrowed.release();
      }
    }
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
        const borrowed = await this.#acquire(chosen, Math.max(0, deadline - clock.now()));
        if (chosen.target === roleIn(monitor.topology, name)) {
          rememberRead(demand, chosen.node);
          ordeal.patienceMs = Math.max(0, deadline - clock.now());
          return borrowed;
        }
        // The node changed its role while the call waited for it: what was decided holds no longer.
        borrowed.release();
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
  #chooseNow(demand: Demand, { failed }: Ordeal): Chosen | undefined {
    this.#refuseUnlessOpen();
    const decision = this.#route(this.#parts.monitor.topology, demand, failed);
    if (!decision.node) return undefined;
    this.#parts.tally.decided(decision.target, decision.reason);
    stickTo(demand, decision.node);
    return decision;
  }

  /** The same, waiting for one where the call is willing to. */
  async #choose(demand: Demand, ordeal: Ordeal, deadline: number): Promise<Chosen> {
    const { clock, monitor } = this.#parts;
    const decide = (topology: Topology) => this.#route(topology, demand, ordeal.failed);
    const mayWait = !(demand.target === 'replica' && demand.onUnavailable === 'fail');
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

  #takeIdle(chosen: Chosen, demand: Demand): Borrowed | undefined {
    const { name } = chosen.node;
    const pool = this.#poolOf(name);
    const connection = pool.takeIdle();
    if (!connection) return undefined;
    rememberRead(demand, chosen.node);
    this.#tellAcquired(chosen, 0);
    return this.#lend(chosen, connection, pool);
  }

  #route(topology: Topology, demand: Demand, failed: Ordeal['failed']): Decision {
    const { settings, clock, random, pools } = this.#parts;
    const now = clock.now();
    return route(topology, intentOf(demand, topology), {
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
  }

  async #acquire(chosen: Chosen, timeoutMs: number): Promise<Borrowed> {
    const { clock } = this.#parts;
    const pool = this.#poolOf(chosen.node.name);
    const began = clock.now();
    try {
      const connection = await pool.acquire(timeoutMs);
      this.#tellAcquired(chosen, clock.now() - began);
      return this.#lend(chosen, connection, pool);
    } catch (error) {
      this.#tellAcquired(chosen, clock.now() - began, error);
      throw error;
    }
  }

  #lend({ node, target, mustNotWrite }: Chosen, connection: PooledConnection, pool: NodePool): Borrowed {
    const { clock, tally } = this.#parts;
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

function roleIn(topology: Topology, node: string): Chosen['target'] {
  return topology.primary === node ? 'primary' : 'replica';
}
