import type { Readable } from 'node:stream';
import type { Clock } from '../clock.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { LongCalls } from '../session/long-call.js';
import { CopyFrom } from './copy-from.js';
import { CopyToStream } from './copy-to.js';
import { checkInsertOptions, insertInto, insertMany, type InsertManyOptions } from './insert-many.js';
import { quoted, quotedTable } from './names.js';
import {
  checkCopyFromOptions,
  checkCopyOptions,
  type CopyFromOptions,
  type CopyResult,
  type CopyToOptions,
} from './options.js';
import type { BulkRow, CopySource } from './pull.js';
import { checkStreamOptions, refuseOtherThanQuery, streamRows, type StreamOptions } from './stream.js';

export interface BulkParts {
  readonly clock: Clock;
  /** By the scope of the moment. */
  long(): LongCalls;
}

/** Many rows at once, in and out. */
export class Bulk {
  readonly #parts: BulkParts;
  #cursors = 0;

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

  async insertMany<R = Row>(
    table: string,
    rows: Iterable<BulkRow>,
    options: InsertManyOptions,
  ): Promise<QueryResult<R>> {
    checkInsertOptions(options);
    const name = tableOf(table);
    const long = this.#parts.long();
    long.admit(insertInto(name));
    const all = Array.from(rows);
    return all.length === 0 ? NOTHING : insertMany<R>(long, name, all, options);
  }

  stream<R = Row>(statement: Statement, options: StreamOptions): AsyncGenerator<R, void, undefined> {
    const checked = checkStreamOptions(options);
    const long = this.#parts.long();
    long.admit(statement.text);
    refuseOtherThanQuery(statement.text);
    return streamRows<R>(long, { name: `pg_mcp_${++this.#cursors}`, statement, ...checked });
  }
}

/** What no statement need run for. */
const NOTHING: QueryResult<never> = { rows: [], rowCount: 0, command: 'INSERT', fields: [] };

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
