import { describeError, PgMcpError } from '../errors.js';
import { type Binaries, findBinaries } from './binaries.js';
import { clusterConfig, type EmbeddedClusterConfig } from './cluster-config.js';
import { defaultDataParent } from './data-parent.js';
import { APP_DATABASE, createRoles, newRoles } from './database-roles.js';
import type { EmbeddedNode } from './embedded-node.js';
import { failure } from './failure.js';
import { GuardedFolder } from './guarded-folder.js';
import { NodeFactory } from './node-factory.js';
import { newestPrimary } from './node-role.js';
import { createReplicatedDatabase } from './replicated-database.js';
import { streamingNames, untilStreaming } from './streaming.js';
import { inDatabase, withClient } from './superuser.js';
import { systemAccount } from './system-account.js';
import { WorkUnderWay } from './work-under-way.js';

export interface EmbeddedClusterOptions {
  /** How many replicas to begin with; 2 unless given. */
  readonly replicas?: number;
  /** The major version of PostgreSQL, 14 or later; unless given, what the npm package or else the system has. */
  readonly postgres?: number;
  /**
   * The folder in which the cluster makes its own temporary one. Unless given: `TMPDIR` if that is set, else
   * `/dev/shm` where it has 2 GiB free, else the system's temporary folder.
   */
  readonly dataDir?: string;
  /** More settings for every server, over the cluster's own: `{ synchronous_commit: 'remote_apply' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedDatabase {
  readonly name: string;
  readonly config: EmbeddedClusterConfig;
}

/**
 * A real PostgreSQL primary and real streaming replicas on 127.0.0.1, for tests and for trying things out.
 *
 * It holds a database `app` of the account `app_user`, an account that only reads and one that monitors and
 * may promote (before PostgreSQL 15 that takes a superuser). As root the servers run as the account
 * `postgres`, or else `nobody`. Whatever way the process ends, no server and no file is left.
 *
 * ```ts
 * const cluster = await EmbeddedCluster.start({ replicas: 2 });
 * const db = PgCluster.fromConfig(cluster.config);
 * …
 * await cluster.stop();
 * ```
 */
export class EmbeddedCluster implements AsyncDisposable {
  readonly #binaries: Binaries;
  readonly #folder: GuardedFolder;
  readonly #factory: NodeFactory;
  readonly #roles = newRoles();
  readonly #nodes: EmbeddedNode[] = [];
  readonly #work = new WorkUnderWay();
  #stopping: Promise<void> | undefined;

  private constructor(binaries: Binaries, folder: GuardedFolder, options: EmbeddedClusterOptions) {
    this.#binaries = binaries;
    this.#folder = folder;
    this.#factory = new NodeFactory({
      binaries,
      folder: folder.path,
      account: systemAccount(),
      replication: this.#roles.replication,
      settings: options.settings ?? {},
    });
  }

  /**
   * Starts the primary, then the replicas, and returns when all of them stream.
   *
   * @throws PgMcpError `EMBEDDED_CLUSTER` when no PostgreSQL can run here (it says what was looked at and
   * what to install), or when a server doesn't start (with the end of its log). Nothing is left then.
   */
  static async start(options: EmbeddedClusterOptions = {}): Promise<EmbeddedCluster> {
    const { replicas = 2, postgres, dataDir } = options;
    if (process.platform === 'win32')
      throw failure('an embedded cluster needs Linux or macOS; on Windows use WSL');
    if (!Number.isInteger(replicas) || replicas < 0)
      throw failure(`replicas: ${replicas} is no number of servers`);
    const account = systemAccount();
    const undo: (() => Promise<void>)[] = [];
    try {
      const binaries = await findBinaries({ major: postgres, account });
      undo.push(() => binaries.release());
      const folder = await GuardedFolder.create(account, dataDir ?? (await defaultDataParent()));
      const cluster = new EmbeddedCluster(binaries, folder, options);
      undo.splice(0, undo.length, () => cluster.stop());
      await cluster.#boot(replicas);
      return cluster;
    } catch (error) {
      for (const step of undo) await step();
      if (error instanceof PgMcpError) throw error;
      throw failure(`the embedded cluster did not start: ${describeError(error)}`, error);
    }
  }

  /** Every node, in the order of their creation. */
  get nodes(): readonly EmbeddedNode[] {
    return this.#nodes;
  }

  /**
   * The node that is primary on the newest timeline; of two on the same, the one promoted last. It is read
   * off the data folders, so it is right whoever promoted, and a dead primary stays it until another takes over.
   */
  get primary(): EmbeddedNode {
    const primary = newestPrimary(this.#nodes);
    if (!primary) throw failure('the cluster has no primary');
    return primary;
  }

  /**
   * The standbys, running or not, whichever primary they follow. A primary that was replaced is none, even
   * if it runs again, until it has rejoined.
   */
  get replicas(): readonly EmbeddedNode[] {
    return this.#nodes.filter((node) => node.role.standby);
  }

  /**
   * The cluster as a configuration: the live primary as the master and every other node as a replica, also
   * one that is dead or was replaced, as an operator's file would still name it.
   */
  get config(): EmbeddedClusterConfig {
    return this.#configFor(APP_DATABASE);
  }

  /** Adds a standby of the live primary and returns when it streams. */
  addReplica(): Promise<EmbeddedNode> {
    return this.#work.run(async () => {
      const primary = this.#runningPrimary();
      const node = await this.#factory.createReplica(primary);
      this.#nodes.push(node);
      await untilStreaming(primary.connectionString, [node.name]);
      return node;
    });
  }

  /**
   * Makes a node a standby of the live primary: it is ended if it runs, its data are thrown away and cloned
   * anew, and it comes back on the same port. Returns when it streams.
   *
   * @throws PgMcpError `EMBEDDED_CLUSTER` for the live primary itself, and while none runs.
   */
  rejoin(node: EmbeddedNode): Promise<void> {
    return this.#work.run(async () => {
      const primary = this.#runningPrimary();
      if (node === primary) throw failure(`${node.name} is the primary; it can't rejoin itself`);
      await this.#factory.cloneAgain(node, primary);
      await untilStreaming(primary.connectionString, [node.name]);
    });
  }

  /**
   * Creates a database of the account `app_user` (a name that is free, unless one is given), and returns when
   * every replica that streams and replays has it.
   */
  createDatabase(name?: string): Promise<EmbeddedDatabase> {
    return this.#work.run(async () => {
      const primary = this.#runningPrimary();
      const streaming = await streamingNames(primary.connectionString);
      const replicas = this.replicas.filter((node) => streaming.has(node.name) && !node.isFrozen);
      const created = await createReplicatedDatabase({
        name,
        owner: this.#roles.app.user,
        primary: primary.connectionString,
        replicas: replicas.filter((node) => node.isRunning).map((node) => node.connectionString),
      });
      return { name: created, config: this.#configFor(created) };
    });
  }

  /** Ends every server, in whatever state it is, and removes all files. Calling it again does nothing more. */
  stop(): Promise<void> {
    this.#stopping ??= this.#clear();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #boot(replicas: number): Promise<void> {
    const primary = await this.#factory.createPrimary();
    this.#nodes.push(primary);
    const { connectionString } = primary;
    await createRoles(
      (database, run) => withClient(inDatabase(connectionString, database), run),
      this.#roles,
      this.#binaries.major,
    );
    const standbys = Array.from({ length: replicas }, () => this.#factory.createReplica(primary));
    // Each is awaited even if one fails, so that none is still being made while the folder is removed.
    for (const made of await Promise.allSettled(standbys)) {
      if (made.status === 'rejected') throw made.reason;
      this.#nodes.push(made.value);
    }
    const names = this.replicas.map((node) => node.name);
    await untilStreaming(connectionString, names);
  }

  async #clear(): Promise<void> {
    await this.#work.close();
    await Promise.all(this.#factory.created.map((node) => node.discard()));
    await this.#folder.remove();
    await this.#binaries.release();
  }

  #runningPrimary(): EmbeddedNode {
    const { primary } = this;
    if (primary.isRunning) return primary;
    throw failure(`the primary, ${primary.name}, doesn't run: promote a replica or start it`);
  }

  #configFor(database: string): EmbeddedClusterConfig {
    const { primary } = this;
    const others = this.#nodes.filter((node) => node !== primary);
    return clusterConfig(primary, others, { roles: this.#roles, database });
  }
}
