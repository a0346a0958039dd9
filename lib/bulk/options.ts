import { parseByteSize, type ByteSize } from '../duration.js';

export type CopyFormat = 'text' | 'csv' | 'binary';

/** How far a COPY is. */
export interface CopyProgress {
  /** Rows sent so far; undefined where bytes are sent as they come. */
  readonly rows: number | undefined;
  readonly bytes: number;
}

export interface CopyFromOptions {
  /**
   * The columns that values are given for, as the catalog writes them. Unless given, the keys of the first row, and for
   * rows that are arrays and for bytes all columns of the table.
   */
  readonly columns?: readonly string[];
  /** Of what is sent: how rows are encoded, and what bytes are (manual, COPY). Default `text`. */
  readonly format?: CopyFormat;
  /** Bytes in `csv` begin with a line of column names, which is not stored. */
  readonly header?: boolean;
  /** Bytes that are sent at once, such as `'256KiB'`. Default 64 KiB. */
  readonly batch?: ByteSize;
  /** Called after each batch. What it throws ends the COPY. */
  readonly onProgress?: (progress: CopyProgress) => void;
  /** Ends the COPY, and then none of it is stored. */
  readonly signal?: AbortSignal;
}

export interface CopyToOptions {
  /** Of a table: which of its columns, in that order. */
  readonly columns?: readonly string[];
  /** Default `text`. */
  readonly format?: CopyFormat;
  /** `csv` and `text`: begins with a line of column names (`text` from PostgreSQL 15 on). */
  readonly header?: boolean;
  readonly signal?: AbortSignal;
}

export interface CopyResult {
  /** How many were stored, as the server counts them. */
  readonly rows: number;
  /** How many were sent. */
  readonly bytes: number;
}

const FORMATS: readonly CopyFormat[] = ['text', 'csv', 'binary'];
const BATCH = 64 * 1024;

/** @throws TypeError that names the option. */
export function checkCopyOptions({ columns, format = 'text', header = false, signal }: CopyToOptions) {
  if (!FORMATS.includes(format))
    throw new TypeError(`format: ${JSON.stringify(format)} is none of 'text', 'csv', 'binary'`);
  if (header && format === 'binary') throw new TypeError('header: the binary format has none');
  checkNames('columns', columns);
  checkSignal(signal);
  return { columns, format, header, signal };
}

/** @throws TypeError that names the option. */
export function checkCopyFromOptions(options: CopyFromOptions) {
  const { batch = BATCH, onProgress } = options;
  const batchBytes = parseByteSize(batch);
  if (batchBytes === undefined || batchBytes < 1)
    throw new TypeError(`batch: no size: ${JSON.stringify(batch)} (expected like '64KiB', or bytes)`);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new TypeError('onProgress: expected a function');
  return { ...checkCopyOptions(options), batchBytes, onProgress };
}

export type CheckedCopyFrom = ReturnType<typeof checkCopyFromOptions>;

/** @throws TypeError that names the option. */
export function checkNames(option: string, names: readonly string[] | undefined): void {
  if (names === undefined) return;
  const isList = Array.isArray(names) && names.length > 0;
  if (!isList || !names.every((name) => typeof name === 'string' && name !== ''))
    throw new TypeError(`${option}: expected a list of column names`);
}

/** @throws TypeError that names the option. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new TypeError('signal: expected an AbortSignal');
}
