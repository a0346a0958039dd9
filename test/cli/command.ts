import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = `${ROOT}dist/cli/main.js`;

/** Compiles what a run of the whole set has compiled before (`pretest`). */
export async function buildIfMissing(): Promise<void> {
  if (!existsSync(MAIN)) await promisify(execFile)('npm', ['run', 'build'], { cwd: ROOT });
}

export interface CommandOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The command of the built package in a process of its own. */
export class CommandRun implements AsyncDisposable {
  readonly process: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<unknown>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], { stdin = '', env = {} }: CommandOptions = {}) {
    this.process = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
    this.#closed = once(this.process, 'close');
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.process.stdin.end(stdin);
  }

  /** The exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#closed;
    return this.process.exitCode ?? this.process.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.#closed;
  }
}

export async function command(
  args: readonly string[],
  options?: CommandOptions,
): Promise<{
  readonly code: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}> {
  await using run = new CommandRun(args, options);
  const code = await run.ended();
  return { code, stdout: run.stdout, stderr: run.stderr };
}
