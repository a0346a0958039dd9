import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { NodeAddress, Target } from '../ways/way.js';
import { findProgram, freePort } from './program.js';
import { TempFolder } from './temp-folder.js';
import { until } from './until.js';

const STDERR_SHOWN = 500;
const HOST = '127.0.0.1';

/** Pgpool-II before a primary and its replicas: reads go to the replicas. Its files are in a temporary folder. */
export class Pgpool implements AsyncDisposable {
  readonly address: NodeAddress;
  readonly #folder: TempFolder;
  readonly #child: ChildProcess;
  readonly #kill = () => void this.#child.kill('SIGINT');
  #stderr = '';

  private constructor(program: string, folder: TempFolder, address: NodeAddress) {
    this.address = address;
    this.#folder = folder;
    const files = ['-f', 'pgpool.conf', '-F', 'pcp.conf', '-a', 'pool_hba.conf'];
    this.#child = spawn(program, ['-n', ...files], { cwd: folder.path, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_SHOWN);
    });
    process.once('exit', this.#kill);
  }

  /** @throws Error that says why there is none: not installed, or what it said as it ended. */
  static async start(target: Target): Promise<Pgpool> {
    const program = findProgram('pgpool');
    const folder = await TempFolder.create('pgpool');
    const [port, pcpPort] = [await freePort(), await freePort()];
    const { user, password } = target.primary;
    await writeFile(join(folder.path, 'pgpool.conf'), settings(target, folder.path, port, pcpPort));
    await writeFile(join(folder.path, 'pool_passwd'), `${user}:TEXT${password}\n`, { mode: 0o600 });
    for (const name of ['pcp.conf', 'pool_hba.conf']) await writeFile(join(folder.path, name), '');
    const pgpool = new Pgpool(program, folder, { ...target.primary, name: 'pgpool', host: HOST, port });
    try {
      await until('Pgpool-II answers', () => pgpool.#answers());
      return pgpool;
    } catch (error) {
      await pgpool[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener('exit', this.#kill);
    if (!this.#hasEnded) {
      const ended = once(this.#child, 'exit');
      // A fast shutdown, which ends its children too.
      this.#kill();
      await ended;
    }
    await this.#folder[Symbol.asyncDispose]();
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async #answers(): Promise<boolean> {
    if (this.#hasEnded) throw new Error(`Pgpool-II has ended: ${this.#stderr.trim()}`);
    const client = new pg.Client({ ...this.address });
    try {
      await client.connect();
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => {});
    }
  }
}

function settings(
  { primary, replicas, connections }: Target,
  folder: string,
  port: number,
  pcpPort: number,
): string {
  const entries: Record<string, string | number> = {
    backend_clustering_mode: 'streaming_replication',
    listen_addresses: HOST,
    port,
    socket_dir: folder,
    pcp_listen_addresses: HOST,
    pcp_port: pcpPort,
    pcp_socket_dir: folder,
    pid_file_name: join(folder, 'pgpool.pid'),
    logdir: folder,
    pool_passwd: join(folder, 'pool_passwd'),
    // One for each connection of the way, and some for those who ask whether it lives.
    num_init_children: connections + 4,
    max_pool: 1,
    load_balance_mode: 'on',
    sr_check_period: 0,
    sr_check_user: primary.user,
    sr_check_password: primary.password,
    sr_check_database: primary.database,
    health_check_period: 0,
  };
  for (const [i, { host, port }] of [primary, ...replicas].entries()) {
    entries[`backend_hostname${i}`] = host;
    entries[`backend_port${i}`] = port;
    entries[`backend_weight${i}`] = i === 0 ? 0 : 1;
    entries[`backend_flag${i}`] = 'DISALLOW_TO_FAILOVER';
  }
  return Object.entries(entries)
    .map(([name, value]) => `${name} = '${value}'\n`)
    .join('');
}
