import type { Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { ConnectError, PgMcpError } from '../errors.js';
import type { NodePool } from '../pool/node-pool.js';
import type { QueryResult, Row, Statement } from '../query.js';
import { route, whyNoPrimary, type Decision, type Intent } from '../routing/route.js';
import type { Borrowed } from '../session/borrowed.js';
import { explainRefusedWrite, queryReadOnly } from '../session/read-only.js';
import type { Stickiness } from '../session/scope.js';
import type { Monitor } from '../topology/monitor.js';
import { nodeOf, type NodeState, type Topology } from '../topology/topology.js';
import { PoolConnection } from './pool-connection.js';
import { whyAgain } from './run-again.js';
import type { Tally } from './tally.js';

export interface DispatcherParts {
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly monitor: Monitor;
  readonly pools: ReadonlyMap<string, NodePool>;
  readonly tally: Tally;
}

/** What a call asks for, with the memory of its scope. */
export type Demand = Intent & { readonly stickiness?: Stickiness };

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
    const failed = new Set<string>();
    for (let attempt = 1; ; attempt++) {
      const borrowed = await this.borrow(demand, failed);
      try {
        return await (borrowed.mustNotWrite
          ? queryReadOnly<R>(borrowed, statement)
          : borrowed.query<R>(statement));
      } catch (error) {
        const again = whyAgain(error, { isRead: demand.target === 'replica', role: borrowed.role, attempt });
        if (!again) throw demand.target === 'replica' ? explainRefusedWrite(error, borrowed.node) : error;
        this.#parts.tally.retried(again);
        failed.add(borrowed.node);
        // A conflict with recovery met twice is a property of the statement: the primary has none.
        if (again === 'recovery-conflict' && attempt > 1) this.#addAllReplicas(failed);
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
  async borrow(demand: Demand, failed: Set<string> = new Set()): Promise<Borrowed> {
    const { clock, settings } = this.#parts;
    const deadline = clock.now() + settings.pool.acquireTimeoutMs;
    for (;;) {
      this.#refuseUnlessOpen();
      const chosen = await this.#choose(demand, failed, deadline);
      const { name } = chosen.node;
      try {
        const borrowed = await this.#acquire(chosen, Math.max(0, deadline - clock.now()));
        this.#remember(demand.stickiness, chosen.node);
        return borrowed;
      } catch (error) {
        if (!(error instanceof ConnectError) || !error.isUnreachable) throw error;
        this.#parts.tally.retried('not-sent');
        failed.add(name);
        if (chosen.target === 'primary') await this.#untilPrimary(error, deadline);
      }
    }
  }

  async #choose(demand: Demand, failed: ReadonlySet<string>, deadline: number): Promise<Chosen> {
    const { clock, monitor, tally } = this.#parts;
    const decide = (topology: Topology) => this.#route(topology, demand, failed);
    let decision = decide(monitor.topology);
    if (!decision.node && !(demand.target === 'replica' && demand.onUnavailable === 'fail')) {
      const suits = (topology: Topology) => decide(topology).node !== undefined;
      const topology = await monitor.until(suits, Math.max(0, deadline - clock.now()));
      if (topology) decision = decide(topology);
    }
    if (!decision.node) throw this.#nobody(demand, decision);
    this.#turn++;
    tally.decided(decision.target, decision.reason);
    return decision;
  }

  #route(topology: Topology, demand: Demand, failed: ReadonlySet<string>): Decision {
    const { settings, random, pools } = this.#parts;
    const { stickiness } = demand;
    const intent =
      demand.target === 'replica' && stickiness?.node !== undefined
        ? {
            ...demand,
            stickTo: stickiness.node,
            ...(stickiness.atLeast !== undefined && { atLeast: stickiness.atLeast }),
          }
        : demand;
    return route(topology, intent, {
      balance: settings.routing.balance,
      chance: { random, turn: this.#turn },
      failed,
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

  #remember(stickiness: Stickiness | undefined, node: NodeState): void {
    if (!stickiness) return;
    stickiness.node = node.name;
    const replayed = node.facts?.replayedLsn;
    if (replayed !== undefined && (stickiness.atLeast === undefined || replayed > stickiness.atLeast)) {
      stickiness.atLeast = replayed;
    }
  }

  #nobody(
    demand: Demand,
    { refusals }: { readonly refusals: Extract<Decision, { node?: undefined }>['refusals'] },
  ) {
    const options = { safeToRetry: true };
    if (demand.target === 'primary')
      return new PgMcpError('NO_PRIMARY', noPrimary(this.#parts.monitor.topology), options);
    const reasons = refusals.map((refusal) => `${refusal.node}: ${refusal.reason} (${refusal.detail})`);
    const why = reasons.length > 0 ? reasons.join('; ') : 'the cluster has none';
    return new PgMcpError('NO_REPLICA', `no replica can serve this read: ${why}`, options);
  }

  #addAllReplicas(failed: Set<string>): void {
    for (const node of this.#parts.monitor.topology.nodes) if (node.role === 'replica') failed.add(node.name);
  }
}

function noPrimary(topology: Topology): string {
  return `no primary to send this to: ${whyNoPrimary(topology)}`;
}
