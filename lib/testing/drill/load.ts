import { setTimeout } from 'node:timers/promises';
import { codeOf } from '../../errors.js';
import type { DrilledCluster } from './drilled-cluster.js';

export interface LoadOptions {
  readonly writers: number;
  readonly readers: number;
  /** Between two calls of one caller. */
  readonly pauseMs: number;
}

/** One call; times are of `performance.now()`. */
export interface Call {
  readonly kind: 'read' | 'write';
  /** Of a write: the row it stored. */
  readonly id: number;
  readonly beganAt: number;
  readonly endedAt: number;
  /** Of one that failed: the code of its error, or what it says. */
  readonly failure?: string;
}

export const TABLE = 'pg_mcp_drill';

/** Callers that write and read on, and note what came of each call. */
export class Load {
  readonly calls: Call[] = [];
  readonly #cluster: DrilledCluster;
  readonly #options: LoadOptions;
  readonly #callers: Promise<void>[];
  #nextId = 0;
  #isOver = false;

  constructor(cluster: DrilledCluster, options: LoadOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#callers = [
      ...Array.from({ length: options.writers }, () => this.#go('write', (id) => this.#write(id))),
      ...Array.from({ length: options.readers }, () => this.#go('read', (id) => this.#read(id))),
    ];
  }

  /** Ends it; resolves when the last call has ended. */
  async stop(): Promise<readonly Call[]> {
    this.#isOver = true;
    await Promise.all(this.#callers);
    return this.calls;
  }

  async #go(kind: Call['kind'], call: (id: number) => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      const id = this.#nextId++;
      const beganAt = performance.now();
      const failure = await Promise.resolve(id)
        .then(call)
        .then(
          () => undefined,
          (error: unknown) => codeOf(error) ?? String(error),
        );
      const done = { kind, id, beganAt, endedAt: performance.now() };
      this.calls.push(failure === undefined ? done : { ...done, failure });
      await setTimeout(this.#options.pauseMs);
    }
  }

  #write(id: number): Promise<unknown> {
    return this.#cluster.query(`INSERT INTO ${TABLE} VALUES ($1)`, [id]);
  }

  #read(id: number): Promise<unknown> {
    const cluster = this.#cluster;
    return cluster.useReplica(() => cluster.query(`SELECT id FROM ${TABLE} WHERE id = $1`, [id]));
  }
}
