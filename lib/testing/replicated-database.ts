import { randomBytes } from 'node:crypto';
import { inDatabase, queryOnce } from './superuser.js';
import { until } from './until.js';

export interface ReplicatedDatabaseOptions {
  readonly name?: string | undefined;
  readonly owner: string;
  /** A superuser's connection string. */
  readonly primary: string;
  /** Superusers' connection strings of the replicas that must have it. */
  readonly replicas: readonly string[];
}

const DEADLINE_MS = 20_000;

/** Creates a database and waits until the replicas have replayed that; one whose replay is paused is not waited for. */
export async function createReplicatedDatabase(options: ReplicatedDatabaseOptions): Promise<string> {
  const { name = `app_${randomBytes(6).toString('hex')}`, owner } = options;
  const primary = inDatabase(options.primary, 'postgres');
  await queryOnce(primary, `CREATE DATABASE ${quote(name)} OWNER ${quote(owner)}`);
  const { rows } = await queryOnce<{ lsn: string }>(primary, 'SELECT pg_current_wal_lsn()::text AS lsn');
  const lsn = rows[0]?.lsn;
  await Promise.all(
    options.replicas.map((replica) =>
      until(() => hasReplayed(inDatabase(replica, 'postgres'), lsn), {
        deadlineMs: DEADLINE_MS,
        what: `a replica to replay ${lsn}, the creation of database ${name}`,
      }),
    ),
  );
  return name;
}

async function hasReplayed(replica: string, lsn: string | undefined): Promise<boolean | undefined> {
  const { rows } = await queryOnce<{ done: boolean }>(
    replica,
    `SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn OR pg_get_wal_replay_pause_state() <> 'not paused' AS done`,
    [lsn],
  );
  return rows[0]?.done;
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
