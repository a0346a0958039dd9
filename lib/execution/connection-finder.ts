import type { NodeLoads } from '../balancing/node-loads.js';
import type { Chance } from '../balancing/pick.js';
import type { Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { ConnectError, PgMcpError } from '../errors.js';
import type { KnownText } from '../pool/known-texts.js';
import type { NodePool } from '../pool/node-pool.js';
import type { SharedConnection } from '../pool/shared-connection.js';
import type { PooledConnection } from '../pool/pooled-connection.js';
import type { Refusal } from '../routing/candidates.js';
import { route, type Decision, type Loads } from '../routing/route.js';
import type { Session } from '../session/session.js';
import type { Monitor } from '../topology/monitor.js';
import type { NodeState, Topology } from '../topology/topology.js';
import type { CommitOutcomes } from './commit-outcomes.js';
import { intentOf, misfitOf, rememberRead, stickTo, type Demand } from './demand.js';
import { FloorWaits } from './floor-waits.js';
import { nobody } from './nobody.js';
import { mayReturnToPrimary, noteFailure, stillFailed, type Ordeal } from './ordeal.js';
import { PoolConnection } from './pool-connection.js';
import type { StatementClasses } from './statement-classes.js';
import type { Taker } from './taker.js';
import type { Tally } from './tally.js';
import type { WaitingCalls } from './waiting-calls.js';

export interface FinderParts {
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly monitor: Monitor;
  readonly pools: ReadonlyMap<string, NodePool>;
  readonly tally: Tally;
  readonly classes: StatementClasses;
  readonly loads: NodeLoads;
  readonly waiting: WaitingCalls;
  readonly outcomes: CommitOutcomes;
}

/** For so long writes have positions asked for, after the last read that depends on them. */
const BOUND_READERS_MS = 60_000;

export type Chosen = Extract<Decision, { node: NodeState }>;

export interface FirstTry {
  readonly chosen?: Chosen | undefined;
  /** Why no connection of it was to be had. */
  readonly error?: unknown;
}

/** Finds a connection for a call: decides by the topology of the moment, waits where that helps, tries the next node. */
export class ConnectionFinder {
  readonly #parts: FinderParts;
  readonly #floors: FloorWaits;
  readonly #chance: Chance;
  readonly #loads: Loads;
  #turn = 0;
  /** The node of the last read that shares a connection. */
  #lastShared: string | undefined;
  #boundReadAt: number;
  #hasWarnedOfPath = false;
  #state: 'new' | 'open' | 'closed' = 'new';

  constructor(parts: FinderParts) {
    this.#parts = parts;
    this.#floors = new FloorWaits({ ...parts, acquireTimeoutMs: parts.settings.pool.acquireTimeoutMs });
    const { random, loads, pools } = parts;
    this.#chance = { random, nextTurn: () => this.#turn++ };
    this.#loads = {
      // Transactions and leases count by their connections, and so do calls that still wait for one.
      inFlight: (node) => Math.max(loads.inFlight(node), pools.get(node)?.load ?? 0),
      latencyMs: (node, since) => loads.latencyMs(node, since),
      heldMs: (node, now, since) => loads.heldMs(node, now, since),
    };
    this.#boundReadAt = parts.clock.now();
  }

  /** Somebody has of late read what must have what its session has written: so positions will be asked for. */
  get hasBoundReaders(): boolean {
    return this.#parts.clock.now() - this.#boundReadAt < BOUND_READERS_MS;
  }

  /** Takes calls; they wait for a primary to be found. */
  open(): void {
    this.#state = 'open';
  }

  /** Refuses every call from now on with `CLUSTER_CLOSED`. */
  close(): void {
    this.#state = 'closed';
  }

  /**
   * @param first What the call has done already: chosen a node, perhaps tried it in vain.
   * @param taker Who will keep it, where that is watched.
   */
  async borrow(
    demand: Demand,
    ordeal: Ordeal,
    { first, taker }: { first?: FirstTry | undefined; taker?: Taker | undefined },
  ): Promise<PoolConnection> {
    const { clock } = this.#parts;
    const deadline = clock.now() + ordeal.patienceMs;
    let chosen = first?.chosen;
    if (chosen && first?.error !== undefined) {
      await this.#notReached(first.error, chosen, { demand, ordeal, deadline });
      chosen = undefined;
    } else if (chosen && ordeal.failed?.has(chosen.node.name)) chosen = undefined;
    for (; ; chosen = undefined) {
      chosen ??= await this.#choose(demand, ordeal, deadline);
      try {
        const connection = await this.#acquire(chosen, Math.max(0, deadline - clock.now()));
        if (this.#isStillRight(chosen, demand, connection, ordeal)) {
          ordeal.patienceMs = Math.max(0, deadline - clock.now());
          const lent = this.#lend(chosen, connection);
          taker?.gets(lent);
          return lent;
        }
      } catch (error) {
        await this.#notReached(error, chosen, { demand, ordeal, deadline });
      }
    }
  }

  /** Whether what was decided holds; else the node changed its role meanwhile, or is another server. */
  #isStillRight(chosen: Chosen, demand: Demand, connection: PooledConnection, ordeal: Ordeal): boolean {
    const { name } = chosen.node;
    const isAsChosen = chosen.target === roleIn(this.#parts.monitor.topology, name);
    if (isAsChosen && this.#accept(demand, chosen, connection, ordeal)) {
      rememberRead(demand, chosen);
      return true;
    }
    this.poolOf(name).release(connection);
    return false;
  }

  /** There was no connection to be had; returns where another try may find one. */
  async #notReached(
    error: unknown,
    { node: { name }, target }: Chosen,
    { demand, ordeal, deadline }: { demand: Demand; ordeal: Ordeal; deadline: number },
  ): Promise<void> {
    if (!(error instanceof ConnectError)) throw error;
    // A primary that refuses will go on to; for a read there are other nodes.
    if (target === 'primary' && !error.isUnreachable) throw error;
    const { clock, tally, loads } = this.#parts;
    tally.retried('not-sent');
    noteFailure(ordeal, name, clock.now());
    loads.failed(name, clock.now());
    ordeal.lastError = error;
    if (target === 'primary') await this.#untilServed(demand, ordeal, deadline);
  }

  /**
   * The node for a call by the topology of this moment; undefined when none can serve.
   *
   * @param known Of a read that may share a connection.
   */
  chooseNow(demand: Demand, { failed, whyNoReplica }: Ordeal, known?: KnownText): Chosen | undefined {
    this.#refuseUnlessOpen();
    const gathering = known?.isQuick === true ? this.#gathering : undefined;
    const decision = this.#route(this.#parts.monitor.topology, demand, failed, gathering);
    if (!decision.node) return undefined;
    const isInstead = decision.reason === 'no-replica' && whyNoReplica !== undefined;
    this.#parts.tally.decided(decision.target, isInstead ? whyNoReplica : decision.reason);
    stickTo(demand, decision);
    return decision;
  }

  /** The node that a packet is about to be sent to, with quick reads of this turn of the event loop. */
  get #gathering(): string | undefined {
    const node = this.#lastShared;
    return node !== undefined && this.poolOf(node).shared.isGathering ? node : undefined;
  }

  /** The same, waiting for one where the call is willing to. */
  async #choose(demand: Demand, ordeal: Ordeal, deadline: number): Promise<Chosen> {
    const { clock, monitor } = this.#parts;
    const decide = (topology: Topology) => this.#route(topology, demand, ordeal.failed);
    const mayWait = !(demand.target === 'replica' && demand.onUnavailable === 'fail');
    if (demand.target === 'replica') await this.#floors.lookAhead(demand, deadline);
    let chosen = this.chooseNow(demand, ordeal);
    while (!chosen && mayWait) {
      const suits = (topology: Topology) => decide(topology).node !== undefined;
      const found = await this.#until(demand, suits, Math.max(0, deadline - clock.now()));
      chosen = this.chooseNow(demand, ordeal);
      if (!found) break;
    }
    if (chosen) return chosen;
    throw nobody(demand, decide(monitor.topology), monitor.topology, ordeal.lastError);
  }

  /**
   * A connection of the node that was chosen, perhaps at once, else when one comes free: told without a promise, so of
   * an error, of a connection, or of neither where what was decided holds no longer.
   */
  wait(
    chosen: Chosen,
    demand: Demand,
    ordeal: Ordeal,
    served: (error: Error | undefined, connection?: PooledConnection) => void,
  ): void {
    const { clock } = this.#parts;
    const began = clock.now();
    this.poolOf(chosen.node.name).wait(ordeal.patienceMs, (error, connection) => {
      const elapsedMs = clock.now() - began;
      this.#tellAcquired(chosen, elapsedMs, error);
      ordeal.patienceMs = Math.max(0, ordeal.patienceMs - elapsedMs);
      const isRight = connection && this.#isStillRight(chosen, demand, connection, ordeal);
      served(error, isRight ? connection : undefined);
    });
  }

  /** A connection that the call shares with others; undefined where there is none to share. */
  takeShared(chosen: Chosen, demand: Demand, ordeal: Ordeal, known: KnownText): SharedConnection | undefined {
    const { shared } = this.poolOf(chosen.node.name);
    const connection = shared.take(known);
    if (!connection) return undefined;
    if (!this.#accept(demand, chosen, connection.pooled, ordeal)) {
      shared.putBack(connection);
      return undefined;
    }
    this.#lastShared = chosen.node.name;
    rememberRead(demand, chosen);
    this.#tellAcquired(chosen, 0);
    return connection;
  }

  /** Whether a connection to a replica is to the server that was judged, and means what the text means. */
  #accept(demand: Demand, { node, target }: Chosen, { driver }: PooledConnection, ordeal: Ordeal): boolean {
    if (demand.target === 'primary' || target === 'primary') return true;
    const { clock, classes, monitor } = this.#parts;
    const misfit = misfitOf(demand, node, driver.identity, classes.searchPath);
    if (misfit === undefined) return true;
    noteFailure(ordeal, node.name, clock.now());
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

  #route(topology: Topology, demand: Demand, failed: Ordeal['failed'], gathering?: string): Decision {
    const { settings, clock, monitor } = this.#parts;
    const now = clock.now();
    if (demand.target === 'replica' && demand.isBound) this.#boundReadAt = now;
    const decision = route(topology, intentOf(demand, topology), {
      settings: settings.routing,
      chance: this.#chance,
      failed: stillFailed(failed, topology, demand),
      now,
      loads: this.#loads,
      gathering,
    });
    // The next read, or this one where it waits, may find that a replica has caught up.
    if (dependsOnPositions(decision)) monitor.sampleSoon();
    if (!decision.node || decision.target === 'replica') return decision;
    // While the cluster drains there are no probes to wait for.
    if (monitor.isStopped || mayReturnToPrimary(failed, decision.node)) return decision;
    return { refusals: decision.refusals ?? [] };
  }

  /** @throws PgMcpError `CONSISTENCY_UNAVAILABLE` after `acquire_timeout`. */
  untilReplayed(node: string, session: Session): Promise<void> {
    return this.#floors.untilReplayed(node, session);
  }

  async #acquire(chosen: Chosen, timeoutMs: number): Promise<PooledConnection> {
    const { clock } = this.#parts;
    const began = clock.now();
    try {
      const connection = await this.poolOf(chosen.node.name).acquire(timeoutMs);
      this.#tellAcquired(chosen, clock.now() - began);
      return connection;
    } catch (error) {
      this.#tellAcquired(chosen, clock.now() - began, error);
      throw error;
    }
  }

  #lend({ node, target, mustNotWrite }: Chosen, connection: PooledConnection): PoolConnection {
    const { clock, tally, outcomes } = this.#parts;
    const pool = this.poolOf(node.name);
    return new PoolConnection(node.name, target, mustNotWrite, { connection, pool, clock, tally, outcomes });
  }

  #tellAcquired({ node, target }: Chosen, elapsedMs: number, error?: unknown): void {
    const { observers } = this.#parts.tally;
    if (observers.size === 0) return;
    const seconds = elapsedMs / 1_000;
    const event = { node: node.name, role: target, seconds, ...(error !== undefined && { error }) };
    for (const observer of observers) observer.acquired?.(event);
  }

  poolOf(node: string): NodePool {
    const pool = this.#parts.pools.get(node);
    if (!pool) throw new Error(`no pool for ${node}`);
    return pool;
  }

  /** After the primary could not be reached: until somebody can serve, that one only when a probe has found it well. */
  async #untilServed(demand: Demand, ordeal: Ordeal, deadline: number): Promise<void> {
    const { clock, monitor } = this.#parts;
    const { version } = monitor.topology;
    const serves = (topology: Topology) => {
      if (topology.version <= version) return false;
      const { node } = this.#route(topology, demand, ordeal.failed);
      return node !== undefined && (node.name !== topology.primary || node.health === 'up');
    };
    const found = await this.#until(demand, serves, Math.max(0, deadline - clock.now()));
    this.#refuseUnlessOpen();
    if (found) return;
    const { topology } = monitor;
    throw nobody(demand, this.#route(topology, demand, ordeal.failed), topology, ordeal.lastError);
  }

  /** What only a primary serves waits for one. */
  #until(
    demand: Demand,
    suits: (topology: Topology) => boolean,
    timeoutMs: number,
  ): Promise<Topology | undefined> {
    const { waiting, monitor } = this.#parts;
    return (demand.target === 'primary' ? waiting : monitor).until(suits, timeoutMs);
  }

  #refuseUnlessOpen(): void {
    if (this.#state === 'open') return;
    const [code, message] =
      this.#state === 'new'
        ? (['NOT_CONNECTED', 'the cluster is not connected: call connect() first'] as const)
        : (['CLUSTER_CLOSED', 'the cluster is closed'] as const);
    throw new PgMcpError(code, message, { safeToRetry: true });
  }
}

function dependsOnPositions(decision: Decision): boolean {
  if (decision.node && decision.reason === 'scope-on-primary') return true;
  const isBehind = ({ reason }: Refusal) => reason === 'behind-session' || reason === 'behind-scope';
  return decision.refusals?.some(isBehind) === true;
}

function roleIn(topology: Topology, node: string): Chosen['target'] {
  return topology.primary === node ? 'primary' : 'replica';
}
