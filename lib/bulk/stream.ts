import type { Row, Statement } from '../query.js';
import { parseStatements, tagOf } from '../routing/statement/syntax.js';
import type { LongCalls } from '../session/long-call.js';
import { Cursor } from './cursor.js';
import { checkSignal } from './options.js';
import { Stop } from './stop.js';

export interface StreamOptions {
  /** Rows that are fetched at once; so many are held in memory. Default 1,000. */
  readonly batchSize?: number;
  /** Ends the stream: what is asked of it next rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const BATCH_ROWS = 1_000;

/** @throws TypeError that names the option. */
export function checkStreamOptions({ batchSize = BATCH_ROWS, signal }: StreamOptions) {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1)
    throw new TypeError(`batchSize: ${String(batchSize)} is no number of rows`);
  checkSignal(signal);
  return { batchSize, signal };
}

/**
 * A cursor has no use for anything but a query, and the server's words for it are misleading.
 *
 * @throws TypeError
 */
export function refuseOtherThanQuery(text: string): void {
  let tags: readonly string[];
  try {
    tags = parseStatements(text).map((statement) => tagOf(statement).tag);
  } catch {
    // What this parser does not know, the server judges.
    return;
  }
  if (tags.length === 1 && tags[0] === 'SelectStmt') return;
  throw new TypeError('stream() takes one SELECT, VALUES or TABLE; other statements run by query()');
}

export interface CursorPlan {
  /** Unlike that of any other that is open. */
  readonly name: string;
  readonly statement: Statement;
  readonly batchSize: number;
  readonly signal: AbortSignal | undefined;
}

/** The rows of a query, in order; its connection is held until the last of them was fetched. */
export async function* streamRows<R = Row>(
  long: LongCalls,
  plan: CursorPlan,
): AsyncGenerator<R, void, undefined> {
  const stop = new Stop(plan.signal);
  const { cursor, rows: first } = await Cursor.open<R>(long, plan, stop);
  const leave = () => void cursor.close().catch(() => {});
  stop.signal.addEventListener('abort', leave);
  try {
    for (let rows = first; ; rows = await cursor.fetch()) {
      const isLast = rows.length < plan.batchSize;
      if (isLast) await cursor.close('done');
      for (const row of rows) {
        stop.signal.throwIfAborted();
        yield row;
      }
      stop.signal.throwIfAborted();
      if (isLast) return;
    }
  } finally {
    stop.signal.removeEventListener('abort', leave);
    await cursor.close();
  }
}
