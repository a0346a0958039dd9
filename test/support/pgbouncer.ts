import { execFileSync, spawn } from 'node:child_process';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../lib/testing/free-port.js';
import { systemAccount } from '../../lib/testing/system-account.js';
import { until } from './until.js';

export interface Upstream {
  readonly port: number;
  readonly accounts: readonly { readonly user: string; readonly password: string }[];
}

/** What `pgbouncer -V` says; undefined where there is none. */
export function pgBouncerVersion(): string | undefined {
  try {
    return execFileSync('pgbouncer', ['-V'], { encoding: 'utf8' }).split('\n', 1)[0];
  } catch {
    return undefined;
  }
}

/** A PgBouncer that pools transactions, in front of one server on 127.0.0.1. */
export class PgBouncer implements AsyncDisposable {
  private constructor(
    readonly port: number,
    readonly stop: () => Promise<void>,
  ) {}

  /** @param poolSize Connections to the server. */
  static async start({ port: upstream, accounts }: Upstream, poolSize: number): Promise<PgBouncer> {
    const [folder, port] = await Promise.all([mkdtemp(join(tmpdir(), 'pg-mcp-bouncer-')), freePort()]);
    const account = systemAccount();
    const ini = join(folder, 'pgbouncer.ini');
    const users = join(folder, 'users.txt');
    await writeFile(users, accounts.map(({ user, password }) => `"${user}" "${password}"\n`).join(''));
    await writeFile(
      ini,
      `[databases]
* = host=127.0.0.1 port=${upstream}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${poolSize}
; Connections to replicas ask for default_transaction_read_only by it.
ignore_startup_parameters = options, extra_float_digits
`,
    );
    if (account) for (const path of [folder, ini, users]) await chown(path, account.uid, account.gid);
    const identity = account && { uid: account.uid, gid: account.gid };
    const bouncer = spawn('pgbouncer', [ini], { cwd: '/', stdio: ['ignore', 'ignore', 'pipe'], ...identity });
    let log = '';
    bouncer.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const gone = new Promise<void>((resolve) => bouncer.once('close', () => resolve()));
    const stop = async () => {
      bouncer.kill('SIGKILL');
      await gone;
      await rm(folder, { recursive: true, force: true });
    };
    try {
      await until(
        () => {
          if (bouncer.exitCode !== null) throw new Error(`pgbouncer has ended: ${log}`);
          return listens(port);
        },
        { deadlineMs: 5_000, what: 'pgbouncer to listen' },
      );
    } catch (error) {
      await stop();
      throw error;
    }
    return new PgBouncer(port, stop);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)));
    socket.on('error', () => resolve(false));
  });
}
