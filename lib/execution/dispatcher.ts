import type { Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { ConnectError, PgMcpError } from '../errors.js';
import type { NodePool } from '../pool/node-pool.js';
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
    for (let attempt = 1; ; attempt++) {
      const borrowed = await this.#borrow(demand, ordeal);
      try {
        return await (borrowed.mustNotWrite
          ? queryReadOnly<R>(borrowed, statement)
          : borrowed.query<R>(statement));
      } catch (error) {
        const again = whyAgain(error, { isRead: demand.target === 'replica', role: borrowed.role, attempt });
        if (!again) throw demand.target === 'replica' ? explainRefusedWrite(error, borrowed.node) : error;
        this.#parts.tally.retried(again);
        ordeal.failed.set(borrowed.node, this.#parts.clock.now());
        ordeal.lastError = error;
        // A conflict with recovery met twice is a property of the statement: the primary has none.
        if (again === 'recovery-conflict' && attempt > 1) this.#failOnReplicas(ordeal);
      } finally {
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

  async #borrow(demand: Demand, ordeal: Ordeal): Promise<Borrowed> {
    const { clock, monitor } = this.#parts;
    const deadline = clock.now() + ordeal.patienceMs;
    for (;;) {
      const chosen = await this.#choose(demand, ordeal, deadline);
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
        ordeal.lastError = error;
        if (chosen.target === 'primary') await this.#untilPrimary(error, deadline);
      }
    }
  }

  async #choose(demand: Demand, { failed, lastError }: Ordeal, deadline: number): Promise<Chosen> {
    this.#refuseUnlessOpen();
    const { clock, monitor, tally } = this.#parts;
    const decide = (topology: Topology) => this.#route(topology, demand, failed);
    let decision = decide(monitor.topology);
    if (!decision.node && !(demand.target === 'replica' && demand.onUnavailable === 'fail')) {
      const suits = (topology: Topology) => decide(topology).node !== undefined;
      const topology = await monitor.until(suits, Math.max(0, deadline - clock.now()));
      this.#refuseUnlessOpen();
      if (topology) decision = decide(topology);
    }
    if (!decision.node) throw this.#nobody(demand, decision, lastError);
    tally.decided(decision.target, decision.reason);
    stickTo(demand, decision.node);
    return decision;
  }

  #route(topology: Topology, demand: Demand, failed: Ordeal['failed']): Decision {
    const { settings, random, pools } = this.#parts;
    return route(topology, intentOf(demand, topology), {
      balance: settings.routing.balance,
      chance: { random, nextTurn: () => this.#turn++ },
      failed: stillFailed(failed, topology, demand),
      inFlight: (node) => {
        const counts = pools.get(node)?.counts;
        return counts ? counts.active + counts.pending : 0;
      },
    });
  }

  async #acquire({ node, target, mustNotWrite }: Chosen, timeoutMs: number): Promise<Borrowed> {
    const { clock, tally, pools } = this.#parts;
    const pool = pools.get(node.name);
    if (!pool) throw new Error(`no pool for ${node.name}`);
    const began = clock.now();
    const tell = (error?: unknown) => {
      const seconds = (clock.now() - began) / 1_000;
      const event = { node: node.name, role: target, seconds, ...(error !== undefined && { error }) };
      for (const observer of tally.observers) observer.acquired?.(event);
    };
    try {
      const connection = await pool.acquire(timeoutMs);
      tell();
      return new PoolConnection(node.name, target, mustNotWrite, { connection, pool, clock, tally });
    } catch (error) {
      tell(error);
      throw error;
    }
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

  #nobody(
    demand: Demand,
    { refusals }: { readonly refusals: Extract<Decision, { node?: undefined }>['refusals'] },
    cause: unknown,
  ) {
    const options = { cause, safeToRetry: true };
    if (demand.target === 'primary')
      return new PgMcpError('NO_PRIMARY', noPrimary(this.#parts.monitor.topology), options);
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
