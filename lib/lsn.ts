/**
 * A position in the write-ahead log, as a number of bytes from its start.
 *
 * PostgreSQL writes it as two hexadecimal halves, `16/B374D848` (manual, section 8.20 "pg_lsn Type").
 */
export type Lsn = bigint;

/** Reads `16/B374D848`. Anything else is an error: a position that is guessed would be worse than none. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (!match) throw new TypeError(`not a WAL position: ${JSON.stringify(text)} (expected like 16/B374D848)`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

/** How many bytes `behind` trails `ahead`; never below zero. */
export function lsnDistance(ahead: Lsn, behind: Lsn): number {
  return ahead > behind ? Number(ahead - behind) : 0;
}
