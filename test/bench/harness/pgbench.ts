import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { NodeAddress } from '../ways/way.js';
import type { Contestant } from './contest.js';
import type { Figures } from './figures.js';
import { findProgram } from './program.js';
import { READ, ROWS } from './schema.js';
import { TempFolder } from './temp-folder.js';

/** The least that pgbench takes. */
const SECONDS = 1;
const SCRIPT = `\\set id random(1, ${ROWS})\n${READ.replace('$1', ':id')};\n`;

/** What the server gives to PostgreSQL's own client, written in C: the limit. */
export class Pgbench implements AsyncDisposable {
  readonly #node: NodeAddress;
  readonly #folder: TempFolder;
  readonly #connections: number;

  private constructor(node: NodeAddress, folder: TempFolder, connections: number) {
    this.#node = node;
    this.#folder = folder;
    this.#connections = connections;
  }

  static async create(node: NodeAddress, connections: number): Promise<Pgbench> {
    const folder = await TempFolder.create('pgbench');
    await writeFile(join(folder.path, 'read.sql'), SCRIPT);
    return new Pgbench(node, folder, connections);
  }

  /** No more callers than connections: each of pgbench's has its own. */
  contestant(every: number): Contestant {
    const label = `\`pgbench -M prepared\`, ${this.#connections} connections at most`;
    return { name: 'pgbench', label, every, measure: (callers) => this.#measure(callers) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#folder[Symbol.asyncDispose]();
  }

  async #measure(callers: number): Promise<Figures> {
    const clients = Math.min(callers, this.#connections);
    const threads = Math.min(clients, availableParallelism());
    const { host, port, user, password, database } = this.#node;
    const script = join(this.#folder.path, 'read.sql');
    const numbers = { '-c': clients, '-j': threads, '-T': SECONDS, '-p': port };
    const counts = Object.entries(numbers).flatMap(([flag, value]) => [flag, String(value)]);
    const { stdout } = await promisify(execFile)(
      findProgram('pgbench'),
      ['-n', '-M', 'prepared', '-f', script, '-h', host, '-U', user, ...counts, database],
      { env: { ...process.env, PGPASSWORD: password, LC_ALL: 'C' } },
    );
    const calls = Number(/transactions actually processed: (\d+)/.exec(stdout)?.[1]);
    const perSecond = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
    if (!(perSecond > 0)) throw new Error(`pgbench printed no rate: ${stdout.slice(0, 200)}`);
    return { calls, perSecond };
  }
}
