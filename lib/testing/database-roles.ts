import { randomBytes } from 'node:crypto';
import type { ClientBase } from 'pg';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** The accounts in the databases of a cluster. */
export interface DatabaseRoles {
  /** Owns the application's databases. */
  readonly app: Credentials;
  /** Reads everything, writes nothing. */
  readonly readOnly: Credentials;
  /** Probes, and may do what a failover by SQL takes. */
  readonly monitor: Credentials;
  /** What the replicas connect to their primary as. */
  readonly replication: Credentials;
}

export function randomPassword(): string {
  return randomBytes(16).toString('hex');
}

// PostgreSQL keeps names that begin with `pg_` for itself.
export function newRoles(): DatabaseRoles {
  const account = (user: string) => ({ user, password: randomPassword() });
  return {
    app: account('app_user'),
    readOnly: account('app_ro_user'),
    monitor: account('app_monitor_user'),
    replication: account('app_replication_user'),
  };
}

/** `database` runs a function on a superuser's connection to that database. */
export type InDatabase = (name: string, run: (client: ClientBase) => Promise<void>) => Promise<void>;

export const APP_DATABASE = 'app';

// With `synchronous_standby_names` among the settings a commit would wait for standbys that don't exist yet.
const DONT_WAIT = 'SET synchronous_commit = local';

export async function createRoles(
  inDatabase: InDatabase,
  roles: DatabaseRoles,
  major: number,
): Promise<void> {
  const { app, readOnly, monitor, replication } = roles;
  // Only a superuser can set `primary_conninfo` before version 15, which has GRANT ... ON PARAMETER.
  const mayRepoint = major >= 15;
  await inDatabase('template1', async (client) => {
    await client.query(DONT_WAIT);
    await client.query(`
      ${createRole(app)};
      ${createRole(readOnly)};
      ${createRole(replication, 'REPLICATION')};
      ${createRole(monitor, mayRepoint ? '' : 'SUPERUSER')};
      GRANT pg_read_all_data TO ${readOnly.user};
      GRANT pg_monitor, pg_signal_backend TO ${monitor.user};
    `);
    if (mayRepoint) {
      await client.query(`
        GRANT ALTER SYSTEM ON PARAMETER primary_conninfo, primary_slot_name TO ${monitor.user};
        GRANT SET, ALTER SYSTEM ON PARAMETER default_transaction_read_only TO ${monitor.user};
      `);
    }
    // Before version 15 everyone may create tables in "public"; an account that only reads must not.
    await client.query(
      'REVOKE CREATE ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO pg_database_owner',
    );
    await grantFunctions(client, monitor);
  });
  // Rights on functions are kept per database: in template1 they are for those to come.
  await inDatabase('postgres', async (client) => {
    await client.query(DONT_WAIT);
    await grantFunctions(client, monitor);
    await client.query(`CREATE DATABASE ${APP_DATABASE} OWNER ${app.user}`);
  });
}

// A random password is hexadecimal and needs no quoting.
function createRole({ user, password }: Credentials, attributes = ''): string {
  return `CREATE ROLE ${user} LOGIN PASSWORD '${password}' ${attributes}`;
}

async function grantFunctions(client: ClientBase, { user }: Credentials): Promise<void> {
  await client.query(`GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf() TO ${user}`);
}
