import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../errors.js';
import type { QueryResult, Row } from '../query.js';
import type { Binaries } from './binaries.js';
import { SUPERUSER } from './data-folder.js';
import { APP_DATABASE } from './database-roles.js';
import { failure } from './failure.js';
import { type NodeRole, nodeRole } from './node-role.js';
import { PortTaken, ServerProcess } from './server-process.js';
import { queryOnce } from './superuser.js';
import type { SystemAccount } from './system-account.js';
import { until } from './until.js';

/** @internal */
export interface NodePlace {
  readonly name: string;
  readonly port: number;
  /** Holds the data folder and the log. */
  readonly folder: string;
  readonly password: string;
  readonly binaries: Binaries;
  readonly account: SystemAccount | undefined;
}

const SHUTDOWN_DEADLINE_MS = 15_000;
const PROMOTE_DEADLINE_S = 30;
/** `serialization_failure`, by which a standby cancels what is in the way of its replay. */
const RECOVERY_CONFLICT = '40001';
const PAUSE_DEADLINE_MS = 10_000;

/** One real PostgreSQL server of an `EmbeddedCluster`. */
export class EmbeddedNode {
  /** Also its `application_name` in the primary's `pg_stat_replication`. */
  readonly name: string;
  readonly host = '127.0.0.1';
  /** The same for as long as the cluster lives, also after `kill()`, `start()` and `rejoin()`. */
  readonly port: number;
  /** A superuser's, to the database `app`. */
  readonly connectionString: string;
  readonly #place: NodePlace;
  #server: ServerProcess | undefined;
  #starting: Promise<void> | undefined;
  #frozen = false;

  /** @internal Nodes are made by their cluster. */
  constructor(place: NodePlace) {
    this.name = place.name;
    this.port = place.port;
    this.connectionString = `postgres://${SUPERUSER}:${place.password}@${this.host}:${place.port}/${APP_DATABASE}`;
    this.#place = place;
  }

  /** PostgreSQL's data directory, owned by the account that the server runs as. */
  get dataFolder(): string {
    return join(this.#place.folder, 'data');
  }

  /** What the server has written to its log since it was created. */
  get logFile(): string {
    return join(this.#place.folder, 'log');
  }

  /** Whether the server's process exists; a frozen one runs. */
  get isRunning(): boolean {
    return this.#server?.isRunning ?? false;
  }

  get isFrozen(): boolean {
    return this.isRunning && this.#frozen;
  }

  /** @internal */
  get role(): NodeRole {
    return nodeRole(this.dataFolder);
  }

  /**
   * Starts a server that was stopped or killed and waits until it takes connections; a running one is left alone.
   * It comes back in the role its files give it: a primary that was replaced meanwhile comes back as a primary.
   *
   * @throws PgMcpError `EMBEDDED_CLUSTER` with the end of the log when it doesn't start.
   */
  start(): Promise<void> {
    if (this.isRunning) return Promise.resolve();
    this.#starting ??= this.#launch().finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  /**
   * Fast shutdown (manual, section 18.5): sessions are ended, transactions rolled back, the standbys get the
   * rest of the log. A frozen server is thawed for it.
   *
   * @throws PgMcpError `EMBEDDED_CLUSTER` when that takes longer than 15 seconds; it still runs then.
   */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server?.isRunning) return;
    this.#frozen = false;
    if (await server.shutDown('fast', SHUTDOWN_DEADLINE_MS)) return;
    throw failure(`${this.name} did not shut down within ${SHUTDOWN_DEADLINE_MS} ms`);
  }

  /** SIGKILL of the whole server, the postmaster and its children, as when a machine dies; waits until they are gone. */
  async kill(): Promise<void> {
    await this.#server?.kill();
    this.#frozen = false;
  }

  /** SIGSTOP of every process of it: connections stay open and nothing answers, as on a machine that hangs. */
  async freeze(): Promise<void> {
    if (!this.isRunning) throw failure(`${this.name} doesn't run, so it can't be frozen`);
    await this.#server?.freeze();
    this.#frozen = true;
  }

  /** SIGCONT, the end of `freeze()`. */
  async thaw(): Promise<void> {
    await this.#server?.thaw();
    this.#frozen = false;
  }

  /** The replica still receives the log but applies none of it (manual, "Recovery Control Functions"); waits until that holds. */
  async pauseReplay(): Promise<void> {
    await this.query('SELECT pg_wal_replay_pause()');
    const state = 'SELECT pg_get_wal_replay_pause_state() AS state';
    await until(async () => (await this.query<{ state: string }>(state)).rows[0]?.state === 'paused', {
      deadlineMs: PAUSE_DEADLINE_MS,
      what: `${this.name} to pause its replay`,
    });
  }

  /** The end of `pauseReplay()`. */
  async resumeReplay(): Promise<void> {
    try {
      await this.query('SELECT pg_wal_replay_resume()');
    } catch (error) {
      // What it sets free may cancel this very statement, which has had its effect then.
      if (codeOf(error) !== RECOVERY_CONFLICT) throw error;
    }
  }

  /**
   * Makes a replica a primary (`pg_promote`) and waits until it is one. It does nothing else: the old primary
   * is left as it is, running or not, and the other replicas go on following it.
   *
   * @throws PgMcpError `EMBEDDED_CLUSTER` when it isn't one within 30 seconds; what PostgreSQL says when it is no standby.
   */
  async promote(): Promise<void> {
    const { rows } = await this.query<{ done: boolean }>('SELECT pg_promote(true, $1) AS done', [
      PROMOTE_DEADLINE_S,
    ]);
    if (rows[0]?.done !== true) {
      throw failure(`${this.name} was not promoted within ${PROMOTE_DEADLINE_S} s`);
    }
  }

  /** Runs one statement as a superuser in the database `app`, on a connection of its own. */
  query<R = Row>(sql: string, values?: readonly unknown[]): Promise<QueryResult<R>> {
    return queryOnce<R>(this.connectionString, sql, values);
  }

  /** @internal Ends the server for good, quickly and in any state. */
  async discard(): Promise<void> {
    const server = this.#server;
    if (!server?.isRunning) return;
    // An immediate shutdown gives the shared memory back to the system, which SIGKILL can't.
    if (!(await server.shutDown('immediate', SHUTDOWN_DEADLINE_MS))) await server.kill();
  }

  async #launch(): Promise<void> {
    const { name, port, dataFolder, logFile } = this;
    const { binaries, account } = this.#place;
    if (!existsSync(dataFolder)) throw failure(`${name} has no data: its cluster has been stopped`);
    this.#frozen = false;
    const program = join(binaries.bin, 'postgres');
    try {
      this.#server = await ServerProcess.start({ program, dataFolder, logFile, account });
    } catch (error) {
      if (!(error instanceof PortTaken)) throw error;
      throw failure(`${name} can't start: another program listens on port ${port}`, error);
    }
  }
}
