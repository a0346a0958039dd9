import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Target } from '../ways/way.js';
import type { Figures, Slice } from './figures.js';
import type { Answer, Order } from './protocol.js';

/** Beyond what an order should take. */
const PATIENCE_MS = 30_000;
const STDERR_KEPT = 2_000;

/** A way in a child process, driven from here. */
export class WayProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #stderr = '';

  private constructor() {
    const worker = fileURLToPath(new URL('worker.js', import.meta.url));
    this.#child = fork(worker, { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
  }

  static async open(way: string, targets: readonly Target[]): Promise<WayProcess> {
    const process = new WayProcess();
    try {
      await process.#order({ kind: 'open', way, targets }, PATIENCE_MS);
      return process;
    } catch (error) {
      await process.#end();
      throw error;
    }
  }

  /** @param at Which of the targets it was opened on. */
  async run(slice: Slice, at = 0): Promise<Figures> {
    const answer = await this.#order({ kind: 'slice', slice, at }, slice.ms + slice.leadMs + PATIENCE_MS);
    if (answer.kind !== 'figures') throw new Error(`the way's process answered ${answer.kind} to a slice`);
    return answer.figures;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What can't be closed in order is ended all the same; its figures are in already.
    if (this.#child.connected) await this.#order({ kind: 'close' }, PATIENCE_MS).catch(() => {});
    await this.#end();
  }

  async #order(order: Order, patienceMs: number): Promise<Answer> {
    const waiting = new AbortController();
    const { signal } = waiting;
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), patienceMs);
    try {
      const answered = once(this.#child, 'message', { signal }) as Promise<[Answer]>;
      const ended = once(this.#child, 'exit', { signal }).then(([code, killedBy]) => {
        throw new Error(`the way's process ended (${killedBy ?? code}) ${this.#stderr.trim()}`.trim());
      });
      this.#child.send(order);
      const [answer] = await Promise.race([answered, ended]);
      if (answer.kind === 'failed') throw new Error(answer.error);
      return answer;
    } finally {
      clearTimeout(timer);
      waiting.abort();
    }
  }

  async #end(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
