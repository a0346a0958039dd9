import type { Row, Statement } from '../query.js';
import type { LongCalls, LongConnection } from '../session/long-call.js';
import type { Stop } from './stop.js';
import type { CursorPlan } from './stream.js';

/**
 * A cursor of SQL (manual, DECLARE). One of the protocol has its connection to itself until it is read to its end, and a
 * transaction's other statements would wait for that.
 */
export class Cursor<R = Row> {
  readonly #connection: LongConnection;
  readonly #plan: CursorPlan;
  readonly #stop: Stop;
  #isFetching = false;
  #closing: Promise<void> | undefined;

  private constructor(connection: LongConnection, plan: CursorPlan, stop: Stop) {
    this.#connection = connection;
    this.#plan = plan;
    this.#stop = stop;
  }

  /** Opens it, and fetches the first rows: until they are there it may be opened on another node. */
  static async open<R>(
    long: LongCalls,
    plan: CursorPlan,
    stop: Stop,
  ): Promise<{ cursor: Cursor<R>; rows: readonly R[] }> {
    const { text, consistency } = plan.statement;
    const opening = long.open({
      text,
      consistency,
      needsTransaction: true,
      takesTurns: true,
      start: (connection) =>
        stop.cutting(
          () => connection.cut(),
          async () => {
            await connection.query(declaring(plan, connection)).catch(correctPosition(plan, connection));
            return connection.query<R>(fetching(plan));
          },
        ),
      abandon: () => stop.abandon(),
    });
    const { connection, started } = await stop.until(opening, (late) => late.connection.end('failed'));
    return { cursor: new Cursor<R>(connection, plan, stop), rows: started.rows };
  }

  async fetch(): Promise<readonly R[]> {
    this.#isFetching = true;
    try {
      const { rows } = await this.#stop.until(this.#connection.query<R>(fetching(this.#plan)));
      return rows;
    } finally {
      this.#isFetching = false;
    }
  }

  /** Gives the connection back; a second call waits for that. */
  close(how: 'done' | 'failed' = 'failed'): Promise<void> {
    this.#closing ??= this.#close(how);
    return this.#closing;
  }

  async #close(how: 'done' | 'failed'): Promise<void> {
    const [connection, { name }] = [this.#connection, this.#plan];
    // What is not part of something else ends with its transaction.
    if (connection.joins) await connection.query({ text: `CLOSE ${name}` }).catch(() => {});
    else if (this.#isFetching) connection.cut();
    await connection.end(how);
  }
}

function declaring(plan: CursorPlan, connection: LongConnection): Statement {
  // By the extended protocol, so that no text can go on behind the query.
  return {
    text: `${head(plan, connection)}${plan.statement.text}`,
    values: plan.statement.values ?? [],
    queryMode: 'extended',
  };
}

function head({ name }: CursorPlan, { joins }: LongConnection): string {
  // On a connection that somebody holds there may be no transaction that it could live in.
  return `DECLARE ${name} NO SCROLL CURSOR ${joins === 'session' ? 'WITH HOLD ' : ''}FOR `;
}

function fetching({ name, batchSize, statement: { rowMode, types } }: CursorPlan): Statement {
  return { text: `FETCH ${batchSize} FROM ${name}`, ...(rowMode && { rowMode }), ...(types && { types }) };
}

/** The server counts from the beginning of what it got. */
function correctPosition(plan: CursorPlan, connection: LongConnection): (error: unknown) => never {
  return (error) => {
    if (error instanceof Error && 'position' in error && typeof error.position === 'string')
      error.position = String(Number(error.position) - head(plan, connection).length);
    throw error;
  };
}
