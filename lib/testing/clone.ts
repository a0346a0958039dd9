import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { copyTree } from './copy-tree.js';
import { quoteSetting, writeOwned } from './data-folder.js';
import type { Credentials } from './database-roles.js';
import { failure } from './failure.js';
import { withClient } from './superuser.js';
import type { SystemAccount } from './system-account.js';

/** A running primary. */
export interface CloneSource {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** A superuser's. */
  readonly connectionString: string;
  readonly dataFolder: string;
}

export interface CloneOptions {
  readonly name: string;
  readonly folder: string;
  readonly replication: Credentials;
  readonly account: SystemAccount | undefined;
  readonly major: number;
}

// What a standby must not get from the primary, or makes anew itself (manual, "Backing Up the Data Directory").
const LEFT_OUT = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'postgresql.auto.conf',
  'backup_label',
  'recovery.signal',
]);
const EMPTIED = new Set([
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);

/**
 * Copies a running primary into `folder` as a standby of it, by the low level API (manual, "Making a Base Backup
 * Using the Low Level API"): the npm package has no `pg_basebackup`.
 *
 * The log written meanwhile is not copied: the standby streams it, and is consistent once it has.
 */
export async function clone(primary: CloneSource, options: CloneOptions): Promise<void> {
  const { name, folder, account, major } = options;
  const [start, stop] =
    major >= 15
      ? ['pg_backup_start($1, true)', 'pg_backup_stop(false)']
      : ['pg_start_backup($1, true, false)', 'pg_stop_backup(false, false)'];
  // First of all, so that whoever looks at the folder meanwhile never takes it for a primary's (node-role.ts).
  await mkdir(folder, { mode: 0o700 });
  await writeOwned(join(folder, 'standby.signal'), '', account);
  await withClient(primary.connectionString, async (client) => {
    await client.query(`SELECT ${start}`, [name]);
    await copyTree(primary.dataFolder, folder, { owner: account, skip });
    const { rows } = await client.query<{ labelfile: string; spcmapfile: string }>(
      `SELECT labelfile, spcmapfile FROM ${stop}`,
    );
    const [backup] = rows;
    if (!backup) throw failure(`${primary.name} gave no backup label`);
    if (backup.spcmapfile !== '') throw failure(`${primary.name} has tablespaces, which can't be cloned`);
    await writeOwned(join(folder, 'backup_label'), backup.labelfile, account);
  });
  const conninfo = connectionTo(primary, options);
  const auto = `primary_conninfo = ${quoteSetting(conninfo)}\n`;
  await writeOwned(join(folder, 'postgresql.auto.conf'), auto, account);
}

function skip(path: string): boolean {
  const parent = dirname(path);
  if (parent === '.') return LEFT_OUT.has(path);
  if (EMPTIED.has(parent)) return true;
  // A standby that starts on a later timeline needs to know where that one began.
  if (parent === 'pg_wal') return /^[0-9A-F]{24}/.test(basename(path));
  return basename(path).startsWith('pgsql_tmp');
}

function connectionTo({ host, port }: CloneSource, { name, replication }: CloneOptions): string {
  const { user, password } = replication;
  return `host=${host} port=${port} user=${user} password=${password} application_name=${name}`;
}
