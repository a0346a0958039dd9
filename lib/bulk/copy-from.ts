import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { patiently, type Clock } from '../clock.js';
import { describeError } from '../errors.js';
import { CopyIn, startCopy } from '../pool/pg-copy.js';
import type { LongCalls, LongConnection } from '../session/long-call.js';
import { BinaryRowEncoder } from './binary-format.js';
import { ByteGatherer } from './byte-gatherer.js';
import { columnsOf, pickColumns } from './columns.js';
import { explainCopyError } from './copy-error.js';
import { quoted } from './names.js';
import type { CheckedCopyFrom, CopyResult } from './options.js';
import { Pull } from './pull.js';
import type { RowEncoder } from './row-encoder.js';
import { namesOf, rowReader } from './row-shape.js';
import { Stop } from './stop.js';
import { CSV, TEXT, TextRowEncoder } from './text-format.js';

/** How long the server may take to forget a COPY that was broken off; then its connection is cut. */
const FORGETTING_MS = 5_000;

export interface CopyFromParts {
  readonly long: LongCalls;
  readonly clock: Clock;
}

interface Started {
  readonly copy: CopyIn;
  readonly encoder: RowEncoder;
}

/** One COPY of a source into a table. */
export class CopyFrom {
  readonly #parts: CopyFromParts;
  readonly #table: string;
  readonly #options: CheckedCopyFrom;
  readonly #pull: Pull;
  readonly #stop: Stop;
  #bytes = 0;

  constructor(parts: CopyFromParts, table: string, options: CheckedCopyFrom, source: unknown) {
    this.#parts = parts;
    this.#table = table;
    this.#options = options;
    parts.long.admit(this.#text(undefined));
    this.#pull = new Pull(source);
    this.#stop = new Stop(options.signal);
  }

  async run(): Promise<CopyResult> {
    try {
      this.#options.signal?.throwIfAborted();
      const first = await this.#stop.until(this.#pull.peek());
      const opening = this.#parts.long.open<Started>({
        text: this.#text(undefined),
        // So that it can be given up until the last moment: once it has all rows, the server would store them.
        needsTransaction: true,
        start: (connection) =>
          this.#stop.cutting(
            () => connection.cut(),
            () => this.#start(connection, first),
          ),
        abandon: () => this.#stop.abandon(),
      });
      const { connection, started } = await this.#stop.until(opening, (late) =>
        late.connection.end('failed'),
      );
      return await this.#send(connection, started);
    } catch (error) {
      await this.#pull.leave();
      throw explainCopyError(this.#stop.reasonFor(error));
    }
  }

  async #start(connection: LongConnection, first: IteratorResult<unknown>): Promise<Started> {
    const { node, client } = connection;
    if (isBytes(first.value)) {
      const copy = new CopyIn(this.#text(this.#options.columns), node);
      return { copy: await busily(connection, startCopy(client, copy)), encoder: new ByteGatherer() };
    }
    const { columns: chosen, format } = this.#options;
    if (this.#options.header) throw new TypeError('header: only bytes have one; rows need none');
    const all = await columnsOf(this.#table, connection);
    const columns = pickColumns(this.#table, all, chosen ?? namesOf(first.value));
    const read = rowReader(columns, first.value, chosen !== undefined);
    const encoder =
      format === 'binary'
        ? new BinaryRowEncoder(columns, read)
        : new TextRowEncoder(columns, read, format === 'csv' ? CSV : TEXT);
    const text = this.#text(columns.map(({ name }) => name));
    return { copy: await busily(connection, startCopy(client, new CopyIn(text, node))), encoder };
  }

  async #send(connection: LongConnection, { copy, encoder }: Started): Promise<CopyResult> {
    try {
      // The server may end it while the source is silent.
      await this.#stop.until(Promise.race([copy.ended, this.#pump(connection, copy, encoder)]));
      const rows = await this.#stop.cutting(
        () => connection.cut(),
        () => busily(connection, copy.finish()),
      );
      await connection.end('done');
      return { rows, bytes: this.#bytes };
    } catch (error) {
      await patiently(this.#parts.clock, copy.fail(describeError(error)), FORGETTING_MS);
      if (!copy.isOver) connection.cut();
      await connection.end('failed');
      throw error;
    }
  }

  async #pump(connection: LongConnection, copy: CopyIn, encoder: RowEncoder): Promise<void> {
    const { batchBytes } = this.#options;
    for (;;) {
      let step = this.#pull.next();
      if (step instanceof Promise) {
        step = await step;
        if (this.#stop.signal.aborted || copy.isOver) return;
      }
      if (step.done === true) break;
      encoder.add(step.value);
      if (encoder.size < batchBytes) continue;
      await busily(connection, this.#write(copy, encoder, encoder.take()));
      if (this.#stop.signal.aborted || copy.isOver) return;
    }
    await busily(connection, this.#write(copy, encoder, encoder.end()));
  }

  async #write(copy: CopyIn, { rows }: RowEncoder, piece: Buffer): Promise<void> {
    if (piece.length === 0) return;
    await copy.write(piece);
    // A socket that takes all at once lets nobody else have a turn: not the server's answer, nor the other requests.
    await turnOfTheLoop();
    this.#bytes += piece.length;
    this.#options.onProgress?.({ rows, bytes: this.#bytes });
  }

  #text(columns: readonly string[] | undefined): string {
    const { format, header } = this.#options;
    const list = columns ? ` (${columns.map(quoted).join(', ')})` : '';
    return `COPY ${this.#table}${list} FROM STDIN WITH (FORMAT ${format}${header ? ', HEADER' : ''})`;
  }
}

/** While the server is at work nobody is to lose patience. */
async function busily<T>(connection: LongConnection, work: Promise<T>): Promise<T> {
  const over = connection.busy();
  try {
    return await work;
  } finally {
    over();
  }
}

function isBytes(item: unknown): boolean {
  return item instanceof Uint8Array || typeof item === 'string';
}
