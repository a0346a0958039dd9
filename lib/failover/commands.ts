import type { Queryable } from '../query.js';

export function quoteLiteral(text: string): string {
  const escaped = text.replaceAll("'", "''");
  return escaped.includes('\\') ? ` E'${escaped.replaceAll('\\', '\\\\')}'` : `'${escaped}'`;
}

/**
 * Has a server refuse writes in every transaction that begins from now on, unless it says otherwise itself (manual,
 * section 19.11.1, `default_transaction_read_only`); or takes that back.
 */
export async function setReadOnly(connection: Queryable, isReadOnly: boolean): Promise<void> {
  const change = isReadOnly
    ? 'SET default_transaction_read_only = on'
    : 'RESET default_transaction_read_only';
  await connection.query(`ALTER SYSTEM ${change}`);
  await connection.query('SELECT pg_reload_conf()');
}
