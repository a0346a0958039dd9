/**
 * A position in the write-ahead log, as a number of bytes from its start.
 *
 * PostgreSQL writes it as two hexadecimal halves, `16/B374D848` (manual, section 8.20 "pg_lsn Type").
 */
export type Lsn = bigint;

/** A position on one timeline: after a failover the same number of bytes may be other records. */
export interface WalPosition {
  readonly timeline: number;
  readonly lsn: Lsn;
}

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

const PAGE_BYTES = 8_192n;
const PAGE_HEADER_BYTES = 24n;
const SEGMENT_HEADER_BYTES = 40n;

/**
 * The end of the last record before a primary's insert position.
 *
 * Right after a page header no record ends there, so nobody ever replays up to just that position: such a
 * one is taken back to where its page begins.
 */
export function endOfRecords(insert: Lsn, segmentBytes: number): Lsn {
  if (insert % BigInt(segmentBytes) === SEGMENT_HEADER_BYTES) return insert - SEGMENT_HEADER_BYTES;
  return insert % PAGE_BYTES === PAGE_HEADER_BYTES ? insert - PAGE_HEADER_BYTES : insert;
}
