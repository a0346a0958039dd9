import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, isMissing } from './failure.js';
import { family, signalAll, survivors } from './process-table.js';
import { runAs, spawnOptions } from './run-as.js';
import type { SystemAccount } from './system-account.js';
import { until } from './until.js';

export interface ServerFiles {
  readonly program: string;
  readonly dataFolder: string;
  readonly logFile: string;
  readonly account: SystemAccount | undefined;
}

const START_DEADLINE_MS = 30_000;
const SIGNAL_DEADLINE_MS = 10_000;
const LOG_TAIL = 2_000;

/** The server ended while it started, since somebody else listens on its port. */
export class PortTaken extends Error {}

/** One run of a server: the postmaster and the processes it has forked. */
export class ServerProcess {
  readonly #postmaster: ChildProcess;
  readonly #dataFolder: string;

  private constructor(postmaster: ChildProcess, dataFolder: string) {
    this.#postmaster = postmaster;
    this.#dataFolder = dataFolder;
    // A program that can't be spawned has no pid, and is noticed by that.
    postmaster.on('error', () => {});
    // The cluster must not keep its user's process alive; the guardian ends it afterwards.
    postmaster.unref();
  }

  /** Starts a server and waits until it takes connections. */
  static async start(files: ServerFiles): Promise<ServerProcess> {
    const { program, dataFolder, logFile, account } = files;
    // After a SIGKILL it still names a pid, which may be another server's by now.
    await rm(join(dataFolder, 'postmaster.pid'), { force: true });
    const log = await open(logFile, 'a');
    const logStart = (await log.stat()).size;
    // A session of its own: Ctrl-C in the terminal must not reach the server before its user has heard it.
    const postmaster = spawn(program, ['-D', dataFolder], {
      ...spawnOptions(account),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const server = new ServerProcess(postmaster, dataFolder);
    try {
      await until(() => !server.isRunning || server.#takesConnections(), {
        deadlineMs: START_DEADLINE_MS,
        what: `the server in ${dataFolder} to take connections`,
      });
      if (server.isRunning) return server;
      throw failure('it ended');
    } catch (error) {
      await server.kill();
      const tail = (await readFile(logFile, 'utf8')).slice(logStart).slice(-LOG_TAIL);
      if (/could not bind .*Address (already )?in use/.test(tail)) throw new PortTaken(tail);
      throw failure(`PostgreSQL in ${dataFolder} did not start. The end of its log:\n${tail}`, error);
    } finally {
      await log.close();
    }
  }

  get isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#postmaster;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /** Shuts down as `mode` says and waits for the end; false when that takes longer than the deadline. */
  async shutDown(mode: 'fast' | 'immediate', deadlineMs: number): Promise<boolean> {
    await this.thaw();
    this.#postmaster.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    try {
      await until(() => !this.isRunning, { deadlineMs, what: 'the server to end' });
      return true;
    } catch {
      return false;
    }
  }

  /** SIGKILL for every process, at one moment. */
  async kill(): Promise<void> {
    const processes = await this.#hold();
    const segment = await this.#sharedMemory();
    signalAll(processes, 'SIGKILL');
    await until(() => !this.isRunning && survivors(processes).length === 0, {
      deadlineMs: SIGNAL_DEADLINE_MS,
      what: 'the killed processes to be gone',
    });
    // Killed, it can't give back the segment by which PostgreSQL locks a data folder (manual, section 18.4.1),
    // of which a system has a few thousand. Where there is no ipcrm, the segment stays until the next boot.
    if (segment !== undefined) await runAs(undefined, 'ipcrm', ['-m', segment]).catch(() => {});
  }

  /** SIGSTOP for every process; waits until all stand still. */
  async freeze(): Promise<void> {
    const processes = await this.#hold();
    signalAll(processes, 'SIGSTOP');
    await until(() => survivors(processes).every((row) => row.state === 'T'), {
      deadlineMs: SIGNAL_DEADLINE_MS,
      what: 'every process to stop',
    });
  }

  async thaw(): Promise<void> {
    const { pid } = this.#postmaster;
    if (pid !== undefined && this.isRunning) signalAll(family(pid), 'SIGCONT');
  }

  // Stops the postmaster, so that it can't fork another while its children are counted.
  async #hold(): Promise<ReturnType<typeof family>> {
    const { pid } = this.#postmaster;
    if (pid === undefined || !this.isRunning) return [];
    this.#postmaster.kill('SIGSTOP');
    return until(
      () => {
        const processes = family(pid);
        return (processes.length === 0 || processes[0]?.state === 'T') && processes;
      },
      { deadlineMs: SIGNAL_DEADLINE_MS, what: `process ${pid} to stop` },
    );
  }

  // pg_ctl waits in the same way: the eighth line says "ready" when connections are taken, on a standby too.
  async #takesConnections(): Promise<boolean> {
    return (await this.#pidFile())[7]?.trim() === 'ready';
  }

  // The seventh line holds the key and the number of the segment.
  async #sharedMemory(): Promise<string | undefined> {
    return /^\s*\d+\s+(\d+)/.exec((await this.#pidFile())[6] ?? '')?.[1];
  }

  async #pidFile(): Promise<readonly string[]> {
    try {
      const lines = (await readFile(join(this.#dataFolder, 'postmaster.pid'), 'utf8')).split('\n');
      return Number(lines[0]) === this.#postmaster.pid ? lines : [];
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }
}
