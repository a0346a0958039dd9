import type { BinaryWriter } from './binary-writer.js';

/** Times count from here (source, timestamp.h). */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const DAY_MS = 86_400_000;
const [LATEST, EARLIEST] = [2n ** 63n - 1n, -(2n ** 63n)];
const [LAST_DAY, FIRST_DAY] = [2 ** 31 - 1, -(2 ** 31)];
const INFINITY = /^\s*(-?)infinity\s*$/i;
const DAY = /^\s*(\d{4})-(\d\d)-(\d\d)\s*$/;

/** The day that the date has here, as `pg` writes it; a text like `2024-02-29` as it is. */
export function writeDate(out: BinaryWriter, value: unknown): void {
  const infinity = infinityOf(value);
  if (infinity !== undefined) {
    out.int32(infinity > 0 ? LAST_DAY : FIRST_DAY);
    return;
  }
  const day = typeof value === 'string' ? dayOf(value) : localOf(dateOf(value));
  out.int32(Math.floor((day - EPOCH_MS) / DAY_MS));
}

/** The clock's time here: the column has no zone. */
export function writeTimestamp(out: BinaryWriter, value: unknown): void {
  writeMicroseconds(out, value, (date) => localOf(date));
}

export function writeTimestampTz(out: BinaryWriter, value: unknown): void {
  writeMicroseconds(out, value, (date) => date.getTime());
}

function writeMicroseconds(out: BinaryWriter, value: unknown, msOf: (date: Date) => number): void {
  const infinity = infinityOf(value);
  if (infinity === undefined) out.int64(BigInt(msOf(dateOf(value)) - EPOCH_MS) * 1_000n);
  else out.int64(infinity > 0 ? LATEST : EARLIEST);
}

function infinityOf(value: unknown): number | undefined {
  const [whole, sign] = INFINITY.exec(typeof value === 'number' ? String(value) : asText(value)) ?? [];
  if (whole === undefined) return undefined;
  return sign === '-' ? -Infinity : Infinity;
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function dateOf(value: unknown): Date {
  if (!(value instanceof Date))
    throw new TypeError("the value is no Date; a time as text can't be sent as binary: use format: 'text'");
  if (Number.isNaN(value.getTime())) throw new TypeError('an invalid date');
  return value;
}

/** The same figures of the clock, read as those of UTC. */
function localOf(date: Date): number {
  return date.getTime() - date.getTimezoneOffset() * 60_000;
}

function dayOf(text: string): number {
  const [, year, month, day] = DAY.exec(text) ?? [];
  const ms = year === undefined ? NaN : Date.UTC(Number(year), Number(month) - 1, Number(day));
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text.trim())
    throw new TypeError(`the text is no day like 2024-02-29`);
  return ms;
}
