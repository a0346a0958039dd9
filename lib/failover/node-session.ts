import { delay, type Clock } from '../clock.js';
import type { DriverConnection } from '../pool/driver.js';
import type { QueryResult, Row } from '../query.js';

/** Between two questions whether something has happened. */
const POLL_MS = 10;

const READ_ONLY_DEADLINE_MS = 3_000;

export const READ_ONLY = 'default_transaction_read_only';
const IS_READ_ONLY = `SELECT reset_val = 'on' AS on FROM pg_settings WHERE name = '${READ_ONLY}'`;

/** A connection to one node on which every statement has its time. One that is late cuts it, and so lets its locks go. */
export class NodeSession {
  readonly node: string;
  readonly #connection: DriverConnection;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  constructor(node: string, connection: DriverConnection, clock: Clock, timeoutMs: number) {
    this.node = node;
    this.#connection = connection;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    connection.listen({ lost: () => {}, role: () => {} });
  }

  get isLost(): boolean {
    return this.#connection.isLost;
  }

  async query<R = Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>> {
    const late = new Error(`${this.node} gave no answer within ${this.#timeoutMs} ms`);
    const timeout = this.#clock.setTimer(() => this.#connection.destroy(late), this.#timeoutMs);
    try {
      return await this.#connection.query<R>(text, values);
    } finally {
      timeout.cancel();
    }
  }

  /** @throws Error where a statement gives no row. */
  async row<R = Row>(text: string, values?: readonly unknown[]): Promise<R> {
    const [row] = (await this.query<R>(text, values)).rows;
    if (row === undefined) throw new Error(`${this.node} returned no row`);
    return row;
  }

  /** Asks again and again until it gives something. */
  async until<T>(ask: () => Promise<T | undefined>, deadlineMs: number, what: string): Promise<T> {
    const began = this.#clock.now();
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (this.#clock.now() - began > deadlineMs) {
        throw new Error(`gave up after ${deadlineMs} ms waiting for ${this.node} to ${what}`);
      }
      await delay(this.#clock, POLL_MS);
    }
  }

  /** `ALTER SYSTEM` takes no parameters; undefined takes back what it has set before. */
  async alterSystem(setting: string, value: string | undefined): Promise<void> {
    const change = value === undefined ? `RESET ${setting}` : `SET ${setting} = ${quoteLiteral(value)}`;
    await this.query(`ALTER SYSTEM ${change}`);
  }

  /**
   * Has the node refuse writes in every transaction from now on that does not say otherwise itself (manual, section
   * 19.11.1). Returns when new sessions are so: one whose files have an error, or that was started with another value,
   * does not take it.
   */
  async makeReadOnly(): Promise<void> {
    await this.alterSystem(READ_ONLY, 'on');
    await this.reload();
    // This session hears of it by way of the server that new sessions come from.
    const isOn = async () => (await this.row<{ on: boolean }>(IS_READ_ONLY)).on || undefined;
    await this.until(isOn, READ_ONLY_DEADLINE_MS, 'be read-only');
  }

  async makeWritable(): Promise<void> {
    await this.alterSystem(READ_ONLY, undefined);
    await this.reload();
  }

  async reload(): Promise<void> {
    await this.query('SELECT pg_reload_conf()');
  }

  async end(): Promise<void> {
    if (this.#connection.isBusy) this.#connection.destroy();
    else if (!this.#connection.isLost) await this.#connection.end().catch(() => {});
  }

  destroy(): void {
    this.#connection.destroy();
  }
}

function quoteLiteral(text: string): string {
  const escaped = text.replaceAll("'", "''");
  return escaped.includes('\\') ? `E'${escaped.replaceAll('\\', String.raw`\\`)}'` : `'${escaped}'`;
}
