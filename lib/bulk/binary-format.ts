import { badInput, badValue } from './bad-input.js';
import { binaryWriterFor, type WriteBinary } from './binary-types.js';
import { BinaryWriter } from './binary-writer.js';
import type { Column } from './columns.js';
import type { RowEncoder } from './row-encoder.js';
import type { ReadRow } from './row-shape.js';

/** Manual, COPY, section Binary Format: the signature, no flags, no extension. */
const HEAD = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const NULL = -1;
const CAPACITY = 128 * 1024;

export class BinaryRowEncoder implements RowEncoder {
  readonly #columns: readonly Column[];
  readonly #writers: readonly WriteBinary[];
  readonly #read: ReadRow;
  readonly #out = new BinaryWriter(CAPACITY);
  #rows = 0;

  /** @throws PgMcpError `BULK_INPUT` for a column whose type can't be written so. */
  constructor(columns: readonly Column[], read: ReadRow) {
    this.#columns = columns;
    this.#read = read;
    this.#writers = columns.map((column) => {
      const write = binaryWriterFor(column);
      if (write) return write;
      throw badInput(
        `column "${column.name}" is of type ${column.type}, which can't be sent as binary; use format: 'text'`,
      );
    });
    this.#out.bytes(HEAD);
  }

  get size(): number {
    return this.#out.length;
  }

  get rows(): number {
    return this.#rows;
  }

  add(row: unknown): void {
    const values = this.#read(row, ++this.#rows);
    const [out, writers] = [this.#out, this.#writers];
    out.int16(writers.length);
    let i = 0;
    try {
      for (; i < writers.length; i++) {
        const value = values[i];
        const write = writers[i];
        if (value === null || value === undefined || !write) out.int32(NULL);
        else out.sized(() => write(out, value));
      }
    } catch (error) {
      throw badValue(this.#rows, this.#columns[i]?.name ?? '', error);
    }
  }

  take(): Buffer {
    return this.#out.take();
  }

  end(): Buffer {
    this.#out.int16(NULL);
    return this.take();
  }
}
