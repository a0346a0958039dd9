import pg from 'pg';
import { until } from '../../support/until.js';

/** What the servers say of a statement; `unknown` where both refuse it alike. */
export type Truth = 'replica' | 'primary' | 'unknown';

export interface Verdict {
  readonly truth: Truth;
  readonly because: string;
}

interface Answer {
  readonly rows?: string;
  readonly error?: string;
}

/** Learns what a statement needs: it runs on a standby first, then on the primary, and the two are compared. */
export class Oracle {
  readonly #standby: pg.Client;
  readonly #primary: pg.Client;
  /** Looks on from outside the primary's transaction. */
  readonly #observer: pg.Client;

  private constructor(standby: pg.Client, primary: pg.Client, observer: pg.Client) {
    this.#standby = standby;
    this.#primary = primary;
    this.#observer = observer;
  }

  static async open(standbyUrl: string, primaryUrl: string): Promise<Oracle> {
    const types = { getTypeParser: () => (value: unknown) => value } as never;
    const clients = [standbyUrl, primaryUrl, primaryUrl].map(
      (connectionString) => new pg.Client({ connectionString, types }),
    );
    const [standby, primary, observer] = clients as [pg.Client, pg.Client, pg.Client];
    for (const client of clients) {
      await client.connect();
      // A COPY that pg does not expect leaves nothing behind but a notice to the client.
      await client.query(`SET statement_timeout = '5s'`);
      await client.query(`SET lock_timeout = '2s'`);
    }
    return new Oracle(standby, primary, observer);
  }

  async close(): Promise<void> {
    await Promise.all([this.#standby.end(), this.#primary.end(), this.#observer.end()]);
  }

  async ask(text: string): Promise<Verdict> {
    const onStandby = await inTransaction(this.#standby, () => answer(this.#standby, text));
    const before = await this.#sequences();
    const { first, second, effect } = await inTransaction(this.#primary, () => this.#onPrimary(text));
    const moved = (await this.#sequences()) !== before;
    if (moved) await this.#untilReplayed();
    if (first.error?.startsWith('25001')) return { truth: 'primary', because: 'runs in no transaction' };
    if (onStandby.error !== undefined && first.error !== undefined)
      return { truth: 'unknown', because: first.error };
    if (onStandby.error !== undefined) return { truth: 'primary', because: onStandby.error };
    if (moved) return { truth: 'primary', because: 'moved a sequence' };
    if (effect !== undefined) return { truth: 'primary', because: effect };
    if (first.error !== undefined) return { truth: 'unknown', because: first.error };
    if (onStandby.rows !== first.rows && first.rows === second?.rows)
      return { truth: 'primary', because: 'other rows' };
    return { truth: 'replica', because: 'same rows' };
  }

  async #onPrimary(text: string): Promise<{ first: Answer; second?: Answer; effect?: string | undefined }> {
    const first = await answer(this.#primary, text);
    if (first.error !== undefined) return { first };
    const { rows } = await this.#primary.query<{ xid: string | null; locks: string; notices: string }>(
      `SELECT pg_current_xact_id_if_assigned()::text AS xid,
        (SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks`,
    );
    const [state] = rows;
    const effect = state?.xid != null ? 'wrote' : state?.locks === '0' ? undefined : 'holds an advisory lock';
    return { first, effect, second: effect === undefined ? await answer(this.#primary, text) : {} };
  }

  async #sequences(): Promise<string> {
    const { rows } = await this.#observer.query<{ state: string }>(
      `SELECT string_agg(sequencename || coalesce(last_value::text, '-'), ',' ORDER BY sequencename) AS state
       FROM pg_sequences`,
    );
    return rows[0]?.state ?? '';
  }

  async #untilReplayed(): Promise<void> {
    // A sequence is logged 32 numbers ahead, but for one that was just set: the standby's must differ.
    await this.#observer.query(`SELECT nextval('seq'), nextval('hidden.seq2')`);
    // What moved a sequence may lie in the log unflushed, since its transaction was rolled back.
    await this.#observer.query(`SELECT pg_logical_emit_message(true, 'flush', '')`);
    const { rows } = await this.#observer.query<{ lsn: string }>(`SELECT pg_current_wal_lsn()::text AS lsn`);
    await until(
      async () => {
        const replayed = await this.#standby.query<{ done: string }>(
          `SELECT (pg_last_wal_replay_lsn() >= $1::pg_lsn)::text AS done`,
          [rows[0]?.lsn],
        );
        return replayed.rows[0]?.done === 'true';
      },
      { deadlineMs: 10_000, what: 'the standby to replay' },
    );
  }
}

async function inTransaction<T>(client: pg.Client, run: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    return await run();
  } finally {
    await client.query('ROLLBACK');
    await client.query('SELECT pg_advisory_unlock_all()');
  }
}

async function answer(client: pg.Client, text: string): Promise<Answer> {
  // A COPY's rows come outside any result.
  const copied: string[] = [];
  const collect = ({ chunk }: { chunk: Buffer }) => copied.push(chunk.toString());
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
  connection.on('copyData', collect);
  try {
    const result = (await client.query({ text, rowMode: 'array' })) as unknown as
      { rows: unknown[] } | { rows: unknown[] }[];
    const rows = [result].flat().flatMap((one) => one.rows.map((row) => JSON.stringify(row)));
    return { rows: [...rows.toSorted(), ...copied].join('\n') };
  } catch (error) {
    const { code = '?', message } = error as { code?: string; message: string };
    return { error: `${code} ${message}` };
  } finally {
    connection.off('copyData', collect);
  }
}
