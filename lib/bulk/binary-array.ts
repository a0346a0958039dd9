import type { BinaryWriter } from './binary-writer.js';

const NULL = -1;
/** The most that PostgreSQL takes (source, `MAXDIM`). */
const MOST_DIMENSIONS = 6;

/** Source, arrayfuncs.c, `array_recv`. @throws TypeError for what is no array, or not rectangular. */
export function writeArray(
  out: BinaryWriter,
  value: unknown,
  elementOid: number,
  write: (out: BinaryWriter, value: unknown) => void,
): void {
  if (!Array.isArray(value)) throw new TypeError('the value is no array');
  const dimensions = dimensionsOf(value);
  const items = dimensions.length === 0 ? [] : flatten(value, dimensions);
  out.int32(dimensions.length);
  out.int32(items.some(isNull) ? 1 : 0);
  out.uint32(elementOid);
  for (const length of dimensions) {
    out.int32(length);
    out.int32(1);
  }
  for (const item of items) {
    if (isNull(item)) out.int32(NULL);
    else out.sized(() => write(out, item));
  }
}

/** Of an array that holds nothing, none. */
function dimensionsOf(value: readonly unknown[]): number[] {
  const dimensions: number[] = [];
  for (let at: unknown = value; Array.isArray(at); at = at[0]) {
    if (at.length === 0) return [];
    if (dimensions.push(at.length) > MOST_DIMENSIONS)
      throw new TypeError(`an array of more than ${MOST_DIMENSIONS} dimensions`);
  }
  return dimensions;
}

function flatten(value: unknown, [length, ...inner]: readonly number[]): unknown[] {
  if (length === undefined) {
    if (Array.isArray(value)) throw new TypeError('an array whose parts differ in depth');
    return [value];
  }
  if (!Array.isArray(value) || value.length !== length)
    throw new TypeError('an array whose parts differ in length');
  return value.flatMap((part: unknown) => flatten(part, inner));
}

function isNull(value: unknown): boolean {
  return value === null || value === undefined;
}
