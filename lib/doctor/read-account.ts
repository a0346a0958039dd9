import type { Role } from '../config/settings.js';
import type { NodeSession } from '../failover/node-session.js';
import type { AccountFacts } from './facts.js';

const SESSION = `
  SELECT current_user::text AS user, current_database()::text AS database,
         (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls,
         (SELECT setting::float8 FROM pg_settings WHERE name = 'statement_timeout') AS "statementTimeoutMs",
         (SELECT setting::float8 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout')
           AS "idleInTransactionTimeoutMs"`;

/** By the catalog alone: nothing is tried out. */
const POWERS = `
  SELECT rolsuper AS superuser, rolcreaterole AS roles, rolcreatedb AS databases, rolreplication AS replication,
         pg_has_role('pg_execute_server_program', 'USAGE') AS programs,
         pg_has_role('pg_write_server_files', 'USAGE') AS files,
         has_database_privilege(current_database(), 'CREATE') AS schemas,
         (SELECT min(nspname) FROM own_schema WHERE has_schema_privilege(oid, 'CREATE')) AS creates,
         (SELECT count(*)::int FROM writable) AS tables,
         (SELECT min(name) FROM writable) AS example
    FROM pg_roles WHERE rolname = current_user`;

const WITH = `
  WITH own_schema AS (
    SELECT oid, nspname::text FROM pg_namespace
     WHERE nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')
  ), writable AS (
    SELECT relation.oid::regclass::text AS name
      FROM pg_class AS relation JOIN own_schema ON own_schema.oid = relnamespace
     WHERE CASE WHEN relkind IN ('r', 'p', 'v', 'f') THEN has_table_privilege(relation.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                WHEN relkind = 'S' THEN has_sequence_privilege(relation.oid, 'USAGE, UPDATE')
                ELSE false END
  )`;

interface PowersRow {
  readonly superuser: boolean;
  readonly roles: boolean;
  readonly databases: boolean;
  readonly replication: boolean;
  readonly programs: boolean;
  readonly files: boolean;
  readonly schemas: boolean;
  readonly creates: string | null;
  readonly tables: number;
  readonly example: string | null;
}

/** What the pool's sessions are like, and what their account may do. */
export async function readAccount(session: NodeSession, role: Role): Promise<AccountFacts> {
  const own = await session.row<Omit<AccountFacts, 'role' | 'powers'>>(SESSION);
  return { ...own, role, powers: powersIn(await session.row<PowersRow>(`${WITH}${POWERS}`)) };
}

/** Pure. */
export function powersIn(row: PowersRow): string[] {
  if (row.superuser) return ['it is a superuser'];
  const powers: string[] = [];
  if (row.tables > 0) powers.push(`it may write ${row.tables} tables or sequences, such as ${row.example}`);
  if (row.creates !== null) powers.push(`it may create tables in schema ${row.creates}`);
  if (row.schemas) powers.push('it may create schemas');
  if (row.roles) powers.push('it may create roles');
  if (row.databases) powers.push('it may create databases');
  if (row.replication) powers.push('it may replicate');
  if (row.programs) powers.push('it may run programs on the server');
  if (row.files) powers.push('it may write files on the server');
  return powers;
}
