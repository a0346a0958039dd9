import { badValue } from './bad-input.js';
import type { Column } from './columns.js';
import type { RowEncoder } from './row-encoder.js';
import type { ReadRow } from './row-shape.js';
import { textWriter } from './values.js';

interface TextFormat {
  readonly separator: string;
  readonly null: string;
  readonly escape: (text: string) => string;
}

/** Manual, COPY, section Text Format. */
export const TEXT: TextFormat = { separator: '\t', null: '\\N', escape: escapeText };
/** Manual, COPY, section CSV Format. */
export const CSV: TextFormat = { separator: ',', null: '', escape: escapeCsv };

export class TextRowEncoder implements RowEncoder {
  readonly #columns: readonly Column[];
  readonly #writers: readonly ((value: unknown) => string | null)[];
  readonly #read: ReadRow;
  readonly #format: TextFormat;
  #gathered = '';
  #rows = 0;

  constructor(columns: readonly Column[], read: ReadRow, format: TextFormat) {
    this.#columns = columns;
    this.#writers = columns.map(textWriter);
    this.#read = read;
    this.#format = format;
  }

  get size(): number {
    return this.#gathered.length;
  }

  get rows(): number {
    return this.#rows;
  }

  add(row: unknown): void {
    const values = this.#read(row, ++this.#rows);
    const { separator, null: nothing, escape } = this.#format;
    const writers = this.#writers;
    let line = '';
    let i = 0;
    try {
      for (; i < writers.length; i++) {
        if (i > 0) line += separator;
        const value = values[i];
        // Most values are of these two, and a million of them are told at a glance.
        if (typeof value === 'number') line += value;
        else if (typeof value === 'string') line += escape(value);
        else {
          const text = writers[i]?.(value) ?? null;
          line += text === null ? nothing : escape(text);
        }
      }
    } catch (error) {
      throw badValue(this.#rows, this.#columns[i]?.name ?? '', error);
    }
    this.#gathered += `${line}\n`;
  }

  take(): Buffer {
    const taken = Buffer.from(this.#gathered, 'utf8');
    this.#gathered = '';
    return taken;
  }

  end(): Buffer {
    return this.take();
  }
}

const SPECIAL = /[\\\n\r\t]/;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escapeText(text: string): string {
  return SPECIAL.test(text)
    ? text.replaceAll(/[\\\n\r\t]/g, (character) => ESCAPES[character] ?? character)
    : text;
}

/** An empty text in quotes is no NULL; a `\.` on a line by itself would end the whole. */
const QUOTED = /^$|[",\n\r\\]/;

function escapeCsv(text: string): string {
  return QUOTED.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
