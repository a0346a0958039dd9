import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
// This tests the sample; it is none of its files.
// oxlint-disable-next-line no-restricted-imports
import { family, survivors, type ProcessRow } from '../../lib/testing/process-table.js';
import { until } from '../support/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = `${ROOT}dist-sample/main.js`;

/** Compiles what a run of the whole set has compiled before (`pretest`). */
export async function compileIfMissing(): Promise<void> {
  if (existsSync(MAIN) && existsSync(`${ROOT}dist/index.js`)) return;
  const run = promisify(execFile);
  await run('npm', ['run', 'build'], { cwd: ROOT });
  await run('npx', ['nest', 'build'], { cwd: ROOT });
}

/** The sample in a process of its own, as a user starts it. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #seen = new Map<string, ProcessRow>();
  #output = '';
  #errors = '';

  private constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    const { DB_CLUSTER_CONFIG: _, PORT: __, ...inherited } = process.env;
    // A group of its own, as a terminal gives it.
    const options = { cwd: ROOT, env: { ...inherited, PORT: '0', ...env }, detached: true };
    this.#process = spawn(command, args, options);
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
  }

  static node(env: Readonly<Record<string, string>> = {}): Child {
    return new Child(process.execPath, [MAIN], env);
  }

  /** Without `prestart`: it would compile what others are running. */
  static npmStart(env: Readonly<Record<string, string>> = {}): Child {
    return new Child('npm', ['start', '--ignore-scripts', '--silent'], env);
  }

  get output(): string {
    return this.#output;
  }

  get errors(): string {
    return this.#errors;
  }

  /** Where it listens, once it says so. */
  async url(): Promise<string> {
    await this.until(() => this.#output.includes('Ctrl-C stops it.'), 'the welcome');
    const [url = ''] = /http:\/\/localhost:\d+/.exec(this.#output) ?? [];
    return url;
  }

  /** Fails as soon as the process has ended. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const found = () => {
      if (this.#hasEnded) throw new Error(`the sample ended: ${this.#output}${this.#errors}`);
      return condition();
    };
    await until(found, { deadlineMs: 45_000, what });
  }

  /** It and all it has started, as far as that lives. */
  processes(): ProcessRow[] {
    const { pid } = this.#process;
    const rows = pid === undefined ? [] : family(pid);
    for (const row of rows) this.#seen.set(`${row.pid} ${row.started}`, row);
    return rows;
  }

  signal(signal: NodeJS.Signals): void {
    this.processes();
    this.#process.kill(signal);
  }

  /** What Ctrl-C does: the terminal signals the whole group. */
  signalGroup(signal: NodeJS.Signals): void {
    this.processes();
    const { pid } = this.#process;
    if (pid === undefined) throw new Error('the sample was not started');
    process.kill(-pid, signal);
  }

  /** The exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    if (!this.#hasEnded) await once(this.#process, 'close');
    return this.#process.exitCode ?? this.#process.signalCode;
  }

  /** Of the processes that were seen to be its own, those that live on. */
  left(): ProcessRow[] {
    return survivors([...this.#seen.values()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    this.#process.kill('SIGKILL');
    await this.ended();
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }
}
