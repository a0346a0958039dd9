import type { BinaryWriter } from './binary-writer.js';
import { textOf } from './values.js';

// Source, numeric.c, `numeric_recv`: digits to the base of 10,000, the place of the first, the sign, the scale.
const [POSITIVE, NEGATIVE] = [0x0000, 0x4000];
const SPECIAL: Readonly<Record<string, number>> = { nan: 0xc000, infinity: 0xd000, '-infinity': 0xf000 };
const DECIMAL = /^\s*([-+]?)(\d*)(?:\.(\d*))?(?:e([-+]?\d{1,5}))?\s*$/i;
const GROUP = 4;

/** @throws TypeError for what is no number. */
export function writeNumeric(out: BinaryWriter, value: unknown): void {
  const text = textOf(value) ?? '';
  const special = SPECIAL[text.trim().toLowerCase()];
  if (special !== undefined) {
    write(out, { digits: [], weight: 0, sign: special, scale: 0 });
    return;
  }
  const [, sign, whole = '', fraction = '', exponent = '0'] = DECIMAL.exec(text) ?? [];
  if (sign === undefined || whole + fraction === '') throw new TypeError('the value is no number');
  const shifted = shift(whole, fraction, Number(exponent));
  write(out, { ...grouped(shifted.whole, shifted.fraction), sign: sign === '-' ? NEGATIVE : POSITIVE });
}

interface Numeric {
  readonly digits: readonly number[];
  readonly weight: number;
  readonly sign: number;
  readonly scale: number;
}

function write(out: BinaryWriter, { digits, weight, sign, scale }: Numeric): void {
  out.int16(digits.length);
  out.int16(weight);
  out.uint16(sign);
  out.int16(scale);
  for (const digit of digits) out.int16(digit);
}

/** The same number without its exponent. */
function shift(whole: string, fraction: string, exponent: number): { whole: string; fraction: string } {
  if (exponent >= 0) {
    const padded = fraction.padEnd(exponent, '0');
    return { whole: whole + padded.slice(0, exponent), fraction: padded.slice(exponent) };
  }
  const padded = whole.padStart(-exponent, '0');
  return { whole: padded.slice(0, exponent), fraction: padded.slice(exponent) + fraction };
}

function grouped(whole: string, fraction: string): Omit<Numeric, 'sign'> {
  const left = whole.padStart(Math.ceil(whole.length / GROUP) * GROUP, '0');
  const right = fraction.padEnd(Math.ceil(fraction.length / GROUP) * GROUP, '0');
  const digits = ((left + right).match(/\d{4}/g) ?? []).map(Number);
  let weight = left.length / GROUP - 1;
  for (; digits[0] === 0; weight--) digits.shift();
  while (digits.at(-1) === 0) digits.pop();
  return { digits, weight: digits.length === 0 ? 0 : weight, scale: fraction.length };
}
