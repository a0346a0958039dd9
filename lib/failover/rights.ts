import type { NodeSession } from './node-session.js';

/** Something that an account lacks, and what an operator has to do about it. */
export interface MissingRight {
  readonly what: string;
  readonly remedy: string;
}

export interface Rights {
  readonly database: string;
  /** Without these nothing is promoted. */
  readonly needed: readonly MissingRight[];
  /** Without these a promotion works, and something beside it does not. */
  readonly useful: readonly MissingRight[];
}

/** `GRANT ... ON PARAMETER` came with it (manual, section E.4 of version 15). */
const OLDEST_WITHOUT_SUPERUSER = 150_000;

const ACCOUNT = `
  SELECT current_user::text AS account, current_database()::text AS database, rolsuper AS superuser,
         current_setting('server_version_num')::int AS version,
         pg_has_role('pg_monitor', 'USAGE') AS monitor,
         pg_has_role('pg_signal_backend', 'USAGE') AS signal,
         current_setting('primary_slot_name') AS slot,
         has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE') AS promote,
         has_function_privilege('pg_reload_conf()', 'EXECUTE') AS reload
    FROM pg_roles WHERE rolname = current_user`;

const PARAMETERS = `
  SELECT name, has_parameter_privilege(name, 'ALTER SYSTEM') AS granted
    FROM unnest(ARRAY['primary_conninfo', 'primary_slot_name', 'default_transaction_read_only']) AS name`;

interface AccountRow {
  readonly account: string;
  readonly database: string;
  readonly superuser: boolean;
  readonly version: number;
  readonly monitor: boolean;
  readonly signal: boolean;
  readonly slot: string | null;
  readonly promote: boolean;
  readonly reload: boolean;
}

/** What the account of the session lacks for a promotion and for a fence. */
export async function readRights(session: NodeSession): Promise<Rights> {
  const row = await session.row<AccountRow>(ACCOUNT);
  const { account, database } = row;
  const to = `TO ${quoteIdentifier(account)}`;
  if (row.superuser) return { database, needed: [], useful: [] };
  const needed: MissingRight[] = [];
  const useful: MissingRight[] = [];
  const lacks = (list: MissingRight[], isThere: boolean, what: string, remedy: string) => {
    if (!isThere) list.push({ what, remedy });
  };
  lacks(needed, row.monitor, 'the role pg_monitor', `GRANT pg_monitor ${to}`);
  const onFunction = (name: string) => `GRANT EXECUTE ON FUNCTION ${name} ${to}`;
  lacks(needed, row.promote, 'pg_promote', onFunction('pg_promote(boolean, integer)'));
  lacks(needed, row.reload, 'pg_reload_conf', onFunction('pg_reload_conf()'));
  lacks(useful, row.signal, 'the role pg_signal_backend, to fence', `GRANT pg_signal_backend ${to}`);
  if (row.version < OLDEST_WITHOUT_SUPERUSER) {
    lacks(needed, false, 'PostgreSQL 15', `ALTER ROLE ${quoteIdentifier(account)} SUPERUSER`);
    return { database, needed, useful };
  }
  const { rows } = await session.query<{ name: string; granted: boolean }>(PARAMETERS);
  const granted = new Map(rows.map(({ name, granted }) => [name, granted]));
  const parameter = (list: MissingRight[], name: string, why = '') =>
    lacks(
      list,
      granted.get(name) === true,
      `ALTER SYSTEM of ${name}${why}`,
      `GRANT ALTER SYSTEM ON PARAMETER ${name} ${to}`,
    );
  parameter(needed, 'primary_conninfo');
  const hasSlot = row.slot !== null && row.slot !== '';
  parameter(hasSlot ? needed : useful, 'primary_slot_name', ', where slots are used');
  parameter(useful, 'default_transaction_read_only', ', to fence');
  return { database, needed, useful };
}

export function describeMissing(missing: readonly MissingRight[], database: string): string {
  const what = missing.map(({ what }) => what).join('; ');
  return `it lacks ${what}. In database ${database}: ${missing.map(({ remedy }) => `${remedy};`).join(' ')}`;
}

function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
