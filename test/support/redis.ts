import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { until } from './until.js';

/** Redis, or what has taken its place in many distributions. */
const PROGRAMS = ['redis-server', 'valkey-server'];

function findProgram(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return PROGRAMS.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) =>
    existsSync(path),
  );
}

/** Why no Redis can run here; undefined where it can. */
export function whyNoRedis(): string | undefined {
  return findProgram() === undefined
    ? `${PROGRAMS.join(' or ')} is missing (package redis-server)`
    : undefined;
}

/** A Redis that keeps nothing, on a socket in a folder of its own: no port to find. */
export class RedisServer {
  private constructor(
    private readonly server: ChildProcess,
    private readonly folder: string,
    readonly socket: string,
  ) {}

  static async start(): Promise<RedisServer> {
    const program = findProgram();
    if (program === undefined) throw new Error(whyNoRedis());
    const folder = await mkdtemp(join(tmpdir(), 'redis-'));
    const socket = join(folder, 'socket');
    const options = { port: '0', unixsocket: socket, dir: folder, save: '', appendonly: 'no' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const server = spawn(program, args, { stdio: 'ignore' });
    const started = new RedisServer(server, folder, socket);
    try {
      await until(() => existsSync(socket), { deadlineMs: 10_000, what: `${program} to listen` });
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.server.exitCode === null && this.server.kill()) await once(this.server, 'exit');
    await rm(this.folder, { recursive: true, force: true });
  }
}
