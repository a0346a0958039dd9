import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../errors.js';
import type { Binaries } from './binaries.js';
import { failure } from './failure.js';
import { runAs } from './run-as.js';
import type { SystemAccount } from './system-account.js';

export const SUPERUSER = 'postgres';

/** Makes an empty cluster (manual, "initdb"): UTF-8, the C locale, passwords on every connection. */
export async function initDataFolder(
  folder: string,
  options: { binaries: Binaries; account: SystemAccount | undefined; password: string },
): Promise<void> {
  const { binaries, account, password } = options;
  const passwordFile = `${folder}.password`;
  await writeOwned(passwordFile, password, account);
  const args = ['-D', folder, '-U', SUPERUSER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  try {
    await runAs(account, join(binaries.bin, 'initdb'), [
      ...args,
      '--encoding=UTF8',
      '--no-locale',
      '--no-sync',
      '--no-instructions',
    ]);
  } catch (error) {
    const whom = account ? ` as the account "${account.name}", which must be able to enter that folder` : '';
    throw failure(`initdb could not make ${folder}${whom}: ${describeError(error)}`, error);
  }
}

/** Writes what `initdb` and `ALTER SYSTEM` don't: the server's own settings and who may connect. */
export async function writeSettings(
  folder: string,
  settings: Readonly<Record<string, string>>,
  account: SystemAccount | undefined,
): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${quoteSetting(value)}\n`);
  await writeOwned(join(folder, 'postgresql.conf'), lines.join(''), account);
  const access = ['all', 'replication'].map(
    (database) => `host ${database} all 127.0.0.1/32 scram-sha-256\n`,
  );
  await writeOwned(join(folder, 'pg_hba.conf'), access.join(''), account);
}

export async function writeOwned(
  path: string,
  content: string,
  account: SystemAccount | undefined,
): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
  if (account) await chown(path, account.uid, account.gid);
}

/** A value of a configuration file (manual, section 19.1.2): quotes are doubled, backslashes escape. */
export function quoteSetting(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
