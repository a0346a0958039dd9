import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import type { SystemAccount } from './system-account.js';

const run = promisify(execFile);

/**
 * The environment of every PostgreSQL program. Little of ours gets in: `PG…` variables would reach the
 * connection of a replica to its primary, a locale would translate the messages that are looked for.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, LD_LIBRARY_PATH } = process.env;
  return { PATH, LD_LIBRARY_PATH, HOME: tmpdir(), LC_ALL: 'C', TZ: 'UTC' };
}

/** How to start a program as that account; `/` since it may not be allowed to enter our working directory. */
export function spawnOptions(account: SystemAccount | undefined) {
  const identity = account ? { uid: account.uid, gid: account.gid } : {};
  return { cwd: '/', env: serverEnvironment(), ...identity };
}

/** Runs a program to its end and returns what it printed; an error carries its `stderr`. */
export async function runAs(
  account: SystemAccount | undefined,
  program: string,
  args: readonly string[],
): Promise<string> {
  const { stdout } = await run(program, args, spawnOptions(account));
  return stdout;
}
