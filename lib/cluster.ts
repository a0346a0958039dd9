import type { Readable } from 'node:stream';
import { Bulk } from './bulk/bulk.js';
import type { CopyFromOptions, CopyResult, CopyToOptions } from './bulk/options.js';
import type { InsertManyOptions } from './bulk/insert-many.js';
import type { BulkRow, CopySource } from './bulk/pull.js';
import type { StreamOptions } from './bulk/stream.js';
import { patiently, systemClock, type Clock } from './clock.js';
import { doctorOf, type Doctor } from './cluster-doctor.js';
import type { ClusterCounters, ClusterEvents, ClusterParts, Transacted } from './cluster-types.js';
import { loadSettings, type ClusterConfig, type ClusterOptions } from './config/index.js';
import type { ClusterSettings } from './config/settings.js';
import { PgMcpError } from './errors.js';
import { checkReplicaOptions } from './execution/demands.js';
import { assembleExecution } from './execution/assemble.js';
import { monitorConnectOptions } from './execution/connect-options.js';
import { detached } from './execution/detached.js';
import { judgeHealth, type ClusterHealth } from './execution/health.js';
import { ClusterPool } from './orm/cluster-pool.js';
import { createFailover } from './execution/create-failover.js';
import { createPools, followTopology } from './execution/pools.js';
import { explainRoute, type RouteExplanation } from './execution/route-explanation.js';
import type { Sessions } from './execution/sessions.js';
import type { ShadowReport } from './execution/shadow-report.js';
import { createLeakWatch, type LeakWatch } from './execution/leak-watch.js';
import { Listeners } from './execution/listeners.js';
import { startUp } from './execution/start-up.js';
import { statusOf, type ClusterState, type ClusterStatus } from './execution/status.js';
import { Tally, type ClusterObserver } from './execution/tally.js';
import { KnownTexts } from './pool/known-texts.js';
import type { NodePool } from './pool/node-pool.js';
import { pgDriver } from './pool/pg-driver.js';
import { toStatement, type Queryable, type QueryResult, type Row, type Statement } from './query.js';
import type { Lease } from './session/lease.js';
import { RequestScope, type Owned, type PrimaryOptions, type ReplicaOptions } from './session/scope.js';
import type { TransactionOptions } from './session/transaction.js';
import { changesBetween } from './topology/changes.js';
import { Monitor } from './topology/monitor.js';
import type { Topology } from './topology/topology.js';

/** How long `healthCheck()` waits for the nodes' answers before it judges by what was last seen. */
const HEALTH_CHECK_PATIENCE_MS = 500;

/**
 * A PostgreSQL primary and its replicas as one connection.
 *
 * Calls go where the scope they are made in says (`useReplica`, `useMaster`, `transaction`, or the
 * decorators); outside any scope where their statement may: a read to a replica. Works with and without Nest.
 */
export class PgCluster implements Queryable, AsyncDisposable {
  readonly name: string;
  /** Carries a session to another process: by `token()` here and `resume(token, work)` there. */
  readonly session: Sessions;
  /**
   * Goes through the checklist for production: looks at every node over connections of its own, writes nothing, and says
   * what passed, what an operator should know, what is wrong, and the remedies. Also where the cluster can't start.
   *
   * It rejects with a TypeError for an option that is none.
   */
  readonly doctor: Doctor;
  readonly #settings: ClusterSettings;
  readonly #clock: Clock;
  readonly #monitor: Monitor;
  readonly #pools: ReadonlyMap<string, NodePool>;
  readonly #failover: ReturnType<typeof createFailover>;
  readonly #tally = new Tally();
  readonly #leaks: LeakWatch | undefined;
  readonly #execution: ReturnType<typeof assembleExecution>;
  readonly #bulk: Bulk;
  readonly #listeners: Listeners<ClusterEvents>;
  #pool: ClusterPool | undefined;
  #state: ClusterState = 'new';
  #connecting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(settings: ClusterSettings, parts: ClusterParts = {}) {
    const { name = 'default', random = Math.random } = parts;
    const { clock, driver } = detached(parts.clock ?? systemClock, parts.driver ?? pgDriver);
    this.name = name;
    this.#listeners = new Listeners(name);
    this.#settings = settings;
    this.#clock = clock;
    this.doctor = doctorOf(name, { settings, clock, driver });
    const report: Monitor['report'] = (observation) => this.#monitor.report(observation);
    const topology = () => this.#monitor.topology;
    const texts = new KnownTexts(settings.pool);
    this.#pools = createPools({ settings, driver, clock, random, texts, topology, report });
    this.#monitor = new Monitor({
      settings,
      driver,
      clock,
      random,
      connectOptions: (node) => monitorConnectOptions(node, settings),
      onChange: (next, previous) => this.#changed(next, previous),
    });
    this.#failover = createFailover({
      cluster: name,
      settings,
      clock,
      random,
      driver,
      monitor: this.#monitor,
      pools: this.#pools,
      tally: this.#tally,
      emit: (event) => this.#execution.calls.outside(() => this.#listeners.tell('failover', event)),
    });
    const [monitor, pools, tally] = [this.#monitor, this.#pools, this.#tally];
    const leaks = createLeakWatch({
      cluster: name,
      settings: settings.leakDetection,
      clock,
      emit: (event) => this.#execution.calls.outside(() => this.#listeners.tell('leak', event)),
      count: (kind) => tally.leaked(kind),
    });
    this.#leaks = leaks;
    this.#execution = assembleExecution({
      settings,
      clock,
      random,
      driver,
      monitor,
      pools,
      tally,
      texts,
      leaks,
    });
    this.session = this.#execution.sessions;
    this.#bulk = new Bulk({ clock, long: () => this.#execution.calls.long });
  }

  /**
   * A cluster from a file in the shape of `config/db_cluster.json`, or from an object of that shape.
   *
   * @param options Settings over the file's, in camelCase.
   * @throws ConfigError with every fault.
   */
  static fromConfig(
    pathOrConfig: string | ClusterConfig,
    options: ClusterOptions = {},
    parts: ClusterParts = {},
  ): PgCluster {
    return new PgCluster(loadSettings(pathOrConfig, options), parts);
  }

  /**
   * Finds the primary, checks every node and opens the minimum of connections. Tries again as often as
   * `startup.attempts` says. A dead replica does not stop it.
   *
   * @throws StartupError that names each node and its cause; nothing stays open then.
   */
  connect(): Promise<void> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  /** Lets running work finish, up to `shutdown.drain_timeout`, and closes every connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Shutdown begins: health turns to `down` and probing stops; calls go on until `close`. */
  async startDraining(): Promise<void> {
    if (this.#state === 'ready') this.#state = 'draining';
    await this.#failover.stop();
    await this.#monitor.stop();
  }

  /**
   * Runs one statement where its scope says.
   *
   * @throws PgMcpError by its `code`; errors of the server pass as `pg` throws them.
   */
  query<R = Row>(statement: string | Statement, values?: readonly unknown[]): Promise<QueryResult<R>> {
    // Not `async`: the promise of the call itself is the only one that most calls need.
    try {
      return this.#execution.calls.query<R>(toStatement(statement, values));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Stores the rows of a source by COPY, in batches as the server takes them, all or none. In a transaction it joins.
   *
   * @param source An array, an iterable or async iterable of rows (objects by column name, or arrays), or the bytes of a
   * COPY: a stream, a text.
   * @throws PgMcpError `BULK_INPUT` for a row that can't be sent; the server's error, which says the row and the column
   * where it can tell; the signal's reason. Nothing is stored then.
   */
  copyFrom(table: string, options: CopyFromOptions, source: CopySource): Promise<CopyResult> {
    return this.#bulk.copyFrom(table, options, source);
  }

  /**
   * A stream of what COPY puts out for a table or a query, which goes where that may be read. It begins when it is first
   * read; destroyed, it gives its connection back. It fails with the server's error, or the signal's reason.
   *
   * @param tableOrQuery A name, such as `orders` or `shop.orders`; anything else is a query.
   */
  copyTo(tableOrQuery: string, options: CopyToOptions = {}): Readable {
    return this.#bulk.copyTo(tableOrQuery, options);
  }

  /**
   * Inserts rows by one statement, for what COPY can't do: conflicts, and returning what was stored. It sends one array
   * for each column, so all rows are in memory; some 10,000 at a time are quick.
   *
   * @param rows Objects by column name, or arrays of values.
   * @throws PgMcpError `BULK_INPUT` for a row or column that can't be sent; the server's errors pass.
   */
  insertMany<R = Row>(
    table: string,
    rows: Iterable<BulkRow>,
    options: InsertManyOptions = {},
  ): Promise<QueryResult<R>> {
    return this.#bulk.insertMany<R>(table, rows, options);
  }

  /**
   * The rows of one query, fetched in batches, where its scope says. It begins with the first row asked for and holds a
   * connection until the last was fetched, or the loop is left; in a transaction it joins.
   *
   * @throws TypeError for what is no query; later the server's error, or the signal's reason.
   */
  stream<R = Row>(
    statement: string | Statement,
    values?: readonly unknown[],
    options: StreamOptions = {},
  ): AsyncGenerator<R, void, undefined> {
    return this.#bulk.stream<R>(toStatement(statement, values), options);
  }

  /** Runs a function whose calls read from one replica. What it returns may be a promise, Observable or generator. */
  useReplica<T>(work: () => T): T;
  useReplica<T>(options: ReplicaOptions & Owned, work: () => T): T;
  useReplica<T>(...args: [() => T] | [ReplicaOptions & Owned, () => T]): T {
    const [options, work] = withOptions<ReplicaOptions & Owned, T>(args);
    checkReplicaOptions(options);
    return this.#execution.calls.inReplicaScope(options, work);
  }

  /** Runs a function whose calls go to the primary. */
  useMaster<T>(work: () => T): T;
  useMaster<T>(options: PrimaryOptions & Owned, work: () => T): T;
  useMaster<T>(...args: [() => T] | [PrimaryOptions & Owned, () => T]): T {
    return this.#execution.calls.inPrimaryScope(...withOptions<PrimaryOptions & Owned, T>(args));
  }

  /**
   * Runs a function in a transaction: committed when it returns, rolled back when it throws. Nested, it is a
   * savepoint. It begins with its first statement.
   *
   * @throws PgMcpError `TRANSACTION_ABORTED` when a failed statement's error was caught and nothing committed.
   */
  transaction<T>(work: () => T): Transacted<T>;
  transaction<T>(options: TransactionOptions, work: () => T): Transacted<T>;
  transaction<T>(...args: [() => T] | [TransactionOptions, () => T]): Transacted<T> {
    return this.#execution.calls.inTransaction(...withOptions<TransactionOptions, T>(args)) as Transacted<T>;
  }

  /**
   * Says where a statement that nothing decorates would go now, and why, without running it: by PostgreSQL's own
   * parser, by what the names in it mean in this database, and by what this session has written.
   */
  explainRoute(text: string): Promise<RouteExplanation> {
    const { routing, consistency } = this.#settings;
    const { session } = this.#execution.calls;
    return explainRoute(text, {
      routing,
      consistency,
      classes: this.#execution.classes,
      monitor: this.#monitor,
      session,
    });
  }

  /** Where undecorated calls would have gone, while `routing.mode` is `shadow`. */
  getShadowReport(): ShadowReport {
    return this.#execution.shadow.report;
  }

  /** A connection by scope: of the transaction, of the scope's replica or primary, else of the primary. */
  getConnection(): Promise<Lease> {
    return this.#execution.calls.lease();
  }

  getMasterConnection(): Promise<Lease> {
    return this.#execution.calls.lease('primary');
  }

  /** Of a replica; of the primary, held to reading, when no replica can serve. */
  getReplicaConnection(): Promise<Lease> {
    return this.#execution.calls.lease('replica');
  }

  /** Opens the scope of one request, message or job. `request.abandon()` gives back what it still holds. */
  runInRequest<T>(request: RequestScope, work: () => T): T {
    return this.#execution.calls.inRequest(request, work);
  }

  /** Whether the innermost scope here was opened by a decorated method of that object. */
  isInScopeOf(owner: object): boolean {
    return this.#execution.calls.isInScopeOf(owner);
  }

  /**
   * The cluster as a `pg.Pool`, for an ORM: its reads go to replicas and its transactions to the primary, by the scope
   * they run in where there is one. `end()` ends the face alone.
   */
  get pool(): ClusterPool {
    const { pool, nodes } = this.#settings;
    return (this.#pool ??= new ClusterPool(this.#execution.calls.clients, {
      // Its clients wait for connections when they need one: one that waits for a client might hold one.
      max: Infinity,
      connectionTimeoutMillis: pool.acquireTimeoutMs,
      database: nodes[0]?.database ?? '',
    }));
  }

  /** Whether a request scope is open here. */
  get isInRequest(): boolean {
    return this.#execution.calls.isInRequest;
  }

  /**
   * Makes another node the primary, as planned: calls to the primary wait until it is done, and none fails. What takes
   * longer than half of `acquire_timeout` is given up, and all is as before. By Patroni in the mode `patroni`; else by SQL,
   * which leaves the old primary read-only until an operator has it rejoin as a replica.
   *
   * @param target The name of a replica; the one that has most, unless given.
   * @throws PgMcpError `SWITCHOVER_FAILED` with what is in the way.
   */
  async switchover(target?: string): Promise<void> {
    if (this.#state !== 'ready') throw new PgMcpError('SWITCHOVER_FAILED', `the cluster is ${this.#state}`);
    await this.#failover.switchover(target);
  }

  /** Asks every node now and judges the answers; for one that keeps silent, what was last seen of it. */
  async healthCheck(): Promise<ClusterHealth> {
    if (this.#state === 'ready') {
      await patiently(this.#clock, this.#monitor.probeAllAnew(), HEALTH_CHECK_PATIENCE_MS);
    }
    return judgeHealth(this.getStatus());
  }

  /** What was last seen of every node, and the pools at this moment. Fit for JSON. */
  getStatus(): ClusterStatus {
    const { underWay } = this.#failover;
    const status = statusOf(this.name, this.#state, this.#monitor.topology, this.#pools);
    return underWay ? { ...status, failover: underWay } : status;
  }

  /** Counts since the start: routing decisions, retries, connections opened and closed. */
  getCounters(): ClusterCounters {
    const connections = [...this.#pools].map(([node, { history }]) => ({
      node,
      opened: history.opened,
      closed: new Map(history.closed),
    }));
    const { decisions, retries, ignoredTokens, failovers, leaks } = this.#tally;
    return { decisions, retries, ignoredTokens, failovers, leaks, connections };
  }

  /** Has an observer told of every statement and acquire, until the returned function is called. */
  observe(observer: ClusterObserver): () => void {
    this.#tally.observers.add(observer);
    return () => this.#tally.observers.delete(observer);
  }

  on<E extends keyof ClusterEvents>(event: E, listener: (...args: ClusterEvents[E]) => void): this {
    this.#listeners.on(event, listener);
    return this;
  }

  off<E extends keyof ClusterEvents>(event: E, listener: (...args: ClusterEvents[E]) => void): this {
    this.#listeners.off(event, listener);
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #connect(): Promise<void> {
    this.#refuseWhenClosed();
    this.#state = 'connecting';
    this.#execution.dispatcher.open();
    try {
      await startUp({
        settings: this.#settings,
        clock: this.#clock,
        monitor: this.#monitor,
        pools: this.#pools,
        refuseWhenClosed: () => this.#refuseWhenClosed(),
      });
      await this.#execution.classes.start();
      await this.#failover.start();
      this.#refuseWhenClosed();
    } catch (error) {
      await this.close();
      throw error;
    }
    if (this.#state === 'connecting') this.#state = 'ready';
  }

  #refuseWhenClosed(): void {
    if (this.#closing) throw new PgMcpError('CLUSTER_CLOSED', `cluster ${this.name} is closed`);
  }

  async #close(): Promise<void> {
    this.#state = 'closed';
    this.#execution.classes.stop();
    this.#execution.dispatcher.close();
    await this.#failover.stop();
    await this.#monitor.stop();
    const { drainTimeoutMs } = this.#settings.shutdown;
    await Promise.all([...this.#pools.values()].map((pool) => pool.close(drainTimeoutMs)));
    this.#leaks?.end();
  }

  #changed(next: Topology, previous: Topology): void {
    followTopology(this.#pools, next, previous);
    this.#failover.changed(next, previous);
    const changes = changesBetween(previous, next);
    if (changes.length === 0) return;
    // The probe behind it may have been set off by a call, whose scope is not the listener's.
    const status = this.getStatus();
    this.#execution.calls.outside(() => this.#listeners.tell('topology', { changes, status }));
  }
}

function withOptions<O extends object, T>(args: [() => T] | [O, () => T]): [O, () => T] {
  return args.length === 1 ? [{} as O, args[0]] : [args[0] ?? ({} as O), args[1]];
}
