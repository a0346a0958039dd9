import { writeArray } from './binary-array.js';
import { writeNumeric } from './binary-numeric.js';
import { writeDate, writeTimestamp, writeTimestampTz } from './binary-time.js';
import type { BinaryWriter } from './binary-writer.js';
import type { Column, SentType } from './columns.js';
import { jsonOf, textOf } from './values.js';

/** Writes a value that is not null, as the type's `recv` function reads it. @throws TypeError, RangeError. */
export type WriteBinary = (out: BinaryWriter, value: unknown) => void;

/** How the values of a column are written; undefined where that is not known here. */
export function binaryWriterFor({ element, ...type }: Column): WriteBinary | undefined {
  if (!element) return scalarWriter(type);
  const write = scalarWriter(element);
  return write && ((out, value) => writeArray(out, value, element.oid, write));
}

function scalarWriter({ oid, isEnum }: SentType): WriteBinary | undefined {
  return isEnum ? writeText : BY_OID.get(oid);
}

const writeText: WriteBinary = (out, value) => out.text(textOf(value) ?? '');

const writeJson: WriteBinary = (out, value) => out.text(jsonOf(value) ?? '');

const integer = (
  low: bigint,
  high: bigint,
  write: (out: BinaryWriter, value: number) => void,
): WriteBinary => {
  const [lowest, highest] = [Number(low), Number(high)];
  return (out, value) => {
    const number = typeof value === 'number' ? value : Number(wholeOf(value));
    if (!Number.isInteger(number)) throw new TypeError(`${number} is no whole number`);
    if (number < lowest || number > highest) throw new RangeError(`${number} is out of range`);
    write(out, number);
  };
};

const writeInt8: WriteBinary = (out, value) => {
  const whole = wholeOf(value);
  if (BigInt.asIntN(64, whole) !== whole) throw new RangeError(`${whole} is out of range`);
  out.int64(whole);
};

function wholeOf(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  const isWhole =
    typeof value === 'number' ? Number.isInteger(value) : /^\s*[-+]?\d+\s*$/.test(textOf(value) ?? '');
  if (!isWhole || (typeof value !== 'number' && typeof value !== 'string'))
    throw new TypeError(`${describe(value)} is no whole number`);
  return BigInt(typeof value === 'string' ? value.replace('+', '') : value);
}

const real = (write: (out: BinaryWriter, value: number) => void): WriteBinary => {
  return (out, value) => {
    const isText = typeof value === 'string' && value.trim() !== '';
    const number = typeof value === 'bigint' || isText ? Number(value) : value;
    if (typeof number !== 'number' || (isText && Number.isNaN(number) && !/^\s*nan\s*$/i.test(value)))
      throw new TypeError(`${describe(value)} is no number`);
    write(out, number);
  };
};

const writeBoolean: WriteBinary = (out, value) => {
  if (typeof value !== 'boolean') throw new TypeError(`${describe(value)} is neither true nor false`);
  out.int8(value ? 1 : 0);
};

const writeBytes: WriteBinary = (out, value) => {
  if (ArrayBuffer.isView(value)) {
    out.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    return;
  }
  if (typeof value !== 'string' || !/^\\x(?:[0-9a-f]{2})*$/i.test(value))
    throw new TypeError(`${describe(value)} is neither bytes nor hexadecimal digits behind \\x`);
  out.bytes(Buffer.from(value.slice(2), 'hex'));
};

const writeUuid: WriteBinary = (out, value) => {
  const digits = (textOf(value) ?? '').replaceAll(/[{}-]/g, '');
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new TypeError(`${describe(value)} is no UUID`);
  out.bytes(Buffer.from(digits, 'hex'));
};

/** The version of the format stands before it (source, jsonb.c). */
const writeJsonb: WriteBinary = (out, value) => {
  out.int8(1);
  writeJson(out, value);
};

/** By the OIDs of pg_type, which are fixed. */
const BY_OID: ReadonlyMap<number, WriteBinary> = new Map<number, WriteBinary>([
  [16, writeBoolean],
  [17, writeBytes],
  [19, writeText],
  [20, writeInt8],
  [21, integer(-(2n ** 15n), 2n ** 15n - 1n, (out, value) => out.int16(value))],
  [23, integer(-(2n ** 31n), 2n ** 31n - 1n, (out, value) => out.int32(value))],
  [25, writeText],
  [26, integer(0n, 2n ** 32n - 1n, (out, value) => out.uint32(value))],
  [114, writeJson],
  [700, real((out, value) => out.float(value))],
  [701, real((out, value) => out.double(value))],
  [1042, writeText],
  [1043, writeText],
  [1082, writeDate],
  [1114, writeTimestamp],
  [1184, writeTimestampTz],
  [1700, writeNumeric],
  [2950, writeUuid],
  [3802, writeJsonb],
]);

/** What a value is, without quoting all of it. */
function describe(value: unknown): string {
  const text = textOf(value) ?? 'null';
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
