import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { type ProcessRow, processTable } from './process-table.js';

const DISMISSED = 'dismissed';

/**
 * A process beside ours that outlives it for a moment: when ours ends in whatever way, SIGKILL included,
 * the pipe between them closes, and it ends the servers whose data lie in `folder` and removes the folder.
 *
 * Its program is the text of two functions, handed to `node -e`. A file of its own would have to be found,
 * and in JavaScript: in `dist` there is one, but where the TypeScript sources are run (vitest) there is none.
 */
export class Guardian {
  readonly #process: ChildProcess;

  constructor(folder: string) {
    const program = `(${watch.toString()})(${processTable.toString()}, ${JSON.stringify(folder)})`;
    // `node` must run nothing but the program: no preloaded modules, no coverage of the parent's.
    const env = { PATH: process.env['PATH'] };
    this.#process = spawn(process.execPath, ['--input-type=commonjs', '-e', program], {
      cwd: '/',
      detached: true,
      env,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Without a guardian the cluster still works; only a crash would leave something behind.
    this.#process.on('error', () => {});
    this.#process.stdin?.on('error', () => {});
    this.#process.unref();
    if (this.#process.stdin instanceof Socket) this.#process.stdin.unref();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Ends it without a deed: the folder is in order. */
  async dismiss(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#process;
    if (exitCode !== null || signalCode !== null || pid === undefined) return;
    const ended = once(this.#process, 'exit');
    this.#process.ref();
    this.#process.stdin?.end(DISMISSED);
    await ended;
  }
}

// Refers to nothing outside itself: only its text reaches the process that runs it.
function watch(listProcesses: () => ProcessRow[], folder: string): void {
  const { existsSync, rmSync } = process.getBuiltinModule('node:fs');
  const patienceMs = 3_000;
  let dismissed = false;
  let start = 0;

  const signal = (rows: ProcessRow[], name: NodeJS.Signals) => {
    for (const row of rows) {
      try {
        process.kill(row.pid, name);
      } catch {
        // It has ended.
      }
    }
  };

  const clear = () => {
    // The pids are read afresh in every round and each server is known by its command line, so that a
    // number that the system has given to somebody else is never hit.
    const living = listProcesses().filter((row) => row.state !== 'Z');
    const servers = living.filter((row) => row.command.includes(` -D ${folder}/`));
    const members = [...servers];
    for (const member of members) members.push(...living.filter((row) => row.ppid === member.pid));
    if (members.length === 0) {
      // Another look after the folder has gone: a server that was just being spawned is not in the table yet.
      if (!existsSync(folder)) process.exit();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    } else if (performance.now() - start < patienceMs) {
      // An immediate shutdown gives the shared memory back, which SIGKILL can't; frozen ones must hear it.
      signal(servers, 'SIGQUIT');
      signal(members, 'SIGCONT');
    } else {
      signal(members, 'SIGKILL');
    }
    setTimeout(clear, 50);
  };

  process.stdin
    .on('data', () => (dismissed = true))
    .on('error', () => {})
    .on('close', () => {
      if (dismissed) process.exit();
      start = performance.now();
      clear();
    })
    .resume();
}
