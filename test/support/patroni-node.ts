import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { QueryResult } from '../../lib/query.js';
import { family, processTable, signalAll, survivors } from '../../lib/testing/process-table.js';
import { spawnOptions } from '../../lib/testing/run-as.js';
import { queryOnce } from '../../lib/testing/superuser.js';
import type { SystemAccount } from '../../lib/testing/system-account.js';
import type { PatroniPlace } from './patroni-config.js';
import { until } from './until.js';

const DEADLINE_MS = 10_000;

/** One Patroni and its PostgreSQL, which outlives a Patroni that is killed. */
export class PatroniNode {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  readonly #place: PatroniPlace;
  #patroni: ChildProcess | undefined;

  constructor(
    place: PatroniPlace,
    readonly connectionString: string,
    private readonly account: SystemAccount | undefined,
  ) {
    this.name = place.name;
    this.port = place.port;
    this.url = `https://127.0.0.1:${place.apiPort}`;
    this.#place = place;
  }

  get logFile(): string {
    return join(this.#place.folder, 'log');
  }

  /** Starts Patroni, which starts PostgreSQL or finds it running. */
  start(): void {
    if (this.#patroni && this.#patroni.exitCode === null && this.#patroni.signalCode === null) return;
    const { folder } = this.#place;
    const log = openSync(this.logFile, 'a');
    // `-X` is for nobody but the guardian, which ends what has ` -D <folder>/` in its command line.
    const args = ['-X', `guarded -D ${folder}/`, '/usr/bin/patroni', join(folder, 'patroni.yml')];
    this.#patroni = spawn('/usr/bin/python3', args, {
      ...spawnOptions(this.account),
      detached: true,
      stdio: ['ignore', log, log],
    });
    this.#patroni.on('error', () => {});
    this.#patroni.unref();
    closeSync(log);
  }

  query<R>(text: string): Promise<QueryResult<R>> {
    return queryOnce<R>(this.connectionString, text);
  }

  /** Undefined while PostgreSQL doesn't answer. */
  async isPrimary(): Promise<boolean | undefined> {
    const text = 'SELECT NOT pg_is_in_recovery() AS primary';
    return this.query<{ primary: boolean }>(text).then(
      ({ rows }) => rows[0]?.primary,
      () => undefined,
    );
  }

  /** SIGKILL for Patroni and PostgreSQL at one moment, as when a machine dies. */
  async kill(): Promise<void> {
    await this.#signalled([...this.#patroniProcesses(), ...this.#serverProcesses()], 'SIGKILL');
  }

  /** SIGKILL for Patroni alone. */
  async killPatroni(): Promise<void> {
    await this.#signalled(this.#patroniProcesses(), 'SIGKILL');
  }

  /** SIGSTOP for both, as on a machine that hangs. */
  freeze(): void {
    signalAll([...this.#patroniProcesses(), ...this.#serverProcesses()], 'SIGSTOP');
  }

  thaw(): void {
    signalAll([...this.#serverProcesses(), ...this.#patroniProcesses()], 'SIGCONT');
  }

  /** Ends both for good, in whatever state they are. */
  async discard(): Promise<void> {
    await this.killPatroni();
    const servers = this.#serverProcesses();
    signalAll(servers, 'SIGCONT');
    // An immediate shutdown gives the shared memory back to the system, which SIGKILL can't.
    signalAll(servers.slice(0, 1), 'SIGQUIT');
    await until(() => survivors(servers).length === 0, {
      deadlineMs: DEADLINE_MS,
      what: 'the server to end',
    }).catch(() => this.kill());
  }

  #patroniProcesses() {
    const pid = this.#patroni?.pid;
    return pid === undefined || this.#patroni?.exitCode !== null ? [] : family(pid);
  }

  /** The postmaster is nobody's child: Patroni starts it by a helper that ends. */
  #serverProcesses() {
    const own = `postgres -D ${join(this.#place.folder, 'data')} `;
    const postmaster = processTable().find(({ command, state }) => state !== 'Z' && command.includes(own));
    return postmaster ? family(postmaster.pid) : [];
  }

  async #signalled(processes: ReturnType<typeof family>, signal: NodeJS.Signals): Promise<void> {
    signalAll(processes, 'SIGSTOP');
    signalAll(processes, signal);
    await until(() => survivors(processes).length === 0, {
      deadlineMs: DEADLINE_MS,
      what: `the processes of ${this.name} to end`,
    });
  }
}
