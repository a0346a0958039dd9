import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FailoverStep } from '../../lib/failover-event.js';
import { until } from '../support/until.js';
import type { ContenderOrder } from './contender.js';

const PROGRAM = fileURLToPath(new URL('contender.mjs', import.meta.url));
const DEADLINE_MS = 30_000;

/** A process that contends for the promotion. */
export class ContenderProcess implements AsyncDisposable {
  readonly events: { readonly step: FailoverStep | 'connected'; readonly node?: string }[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(order: ContenderOrder) {
    const child = spawn(process.execPath, ['--no-warnings', PROGRAM, JSON.stringify(order)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#ended = once(child, 'exit');
    createInterface({ input: child.stdout }).on('line', (line) => this.events.push(JSON.parse(line)));
  }

  get signal(): NodeJS.Signals | null {
    return this.#child.signalCode;
  }

  has(step: FailoverStep | 'connected'): boolean {
    return this.events.some((event) => event.step === step);
  }

  async connected(): Promise<void> {
    await until(() => this.has('connected'), { deadlineMs: DEADLINE_MS, what: 'a contender to connect' });
  }

  async ended(): Promise<void> {
    await until(() => this.#child.exitCode !== null || this.#child.signalCode !== null, {
      deadlineMs: DEADLINE_MS,
      what: 'a contender to end',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.#ended;
    clearTimeout(late);
  }
}
