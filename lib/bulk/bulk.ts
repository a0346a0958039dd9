import type { Readable } from 'node:stream';
import type { Clock } from '../clock.js';
import type { LongCalls } from '../session/long-call.js';
import { CopyFrom } from './copy-from.js';
import { CopyToStream } from './copy-to.js';
import { quoted, quotedTable } from './names.js';
import {
  checkCopyFromOptions,
  checkCopyOptions,
  type CopyFromOptions,
  type CopyResult,
  type CopyToOptions,
} from './options.js';
import type { CopySource } from './pull.js';

export interface BulkParts {
  readonly clock: Clock;
  /** By the scope of the moment. */
  long(): LongCalls;
}

/** Many rows at once, in and out. */
export class Bulk {
  readonly #parts: BulkParts;

  constructor(parts: BulkParts) {
    this.#parts = parts;
  }

  async copyFrom(table: string, options: CopyFromOptions, source: CopySource): Promise<CopyResult> {
    const checked = checkCopyFromOptions(options);
    const { clock } = this.#parts;
    return new CopyFrom({ long: this.#parts.long(), clock }, tableOf(table), checked, source).run();
  }

  copyTo(tableOrQuery: string, options: CopyToOptions): Readable {
    const { columns, format, header, signal } = checkCopyOptions(options);
    const table = quotedTable(tableOrQuery);
    if (table === undefined && columns) throw new TypeError('columns: a query names its own');
    const list = columns ? ` (${columns.map(quoted).join(', ')})` : '';
    // A comment at the query's end must not take the bracket.
    const what = table === undefined ? `(${withoutEnd(tableOrQuery)}\n)` : `${table}${list}`;
    const text = `COPY ${what} TO STDOUT WITH (FORMAT ${format}${header ? ', HEADER' : ''})`;
    return new CopyToStream(this.#parts.long(), text, signal);
  }
}

/** @throws TypeError for what is no name of a table. */
function tableOf(name: string): string {
  const table = typeof name === 'string' ? quotedTable(name) : undefined;
  if (table === undefined)
    throw new TypeError(
      `no name of a table: ${JSON.stringify(name)} (expected like 'orders' or 'shop.orders')`,
    );
  return table;
}

function withoutEnd(query: string): string {
  return query.replace(/;\s*$/, '');
}
