import pg from 'pg';
import type { Servers } from './servers.js';
import { until } from './until.js';

/** A lock on the table `held` that readers wait for, on the primary and, once that is replayed, on a replica. */
export class TableLock implements AsyncDisposable {
  readonly #holder: pg.Client;
  readonly #other: pg.Client;
  readonly #replica: pg.Client;

  private constructor(holder: pg.Client, other: pg.Client, replica: pg.Client) {
    this.#holder = holder;
    this.#other = other;
    this.#replica = replica;
  }

  static async open(servers: Servers): Promise<TableLock> {
    const [replica] = servers.target(1).replicas;
    const clients = [
      await servers.connect(),
      await servers.connect(),
      new pg.Client({ ...replica }),
    ] as const;
    await clients[2].connect();
    return new TableLock(...clients);
  }

  async take(): Promise<void> {
    await this.#holder.query('BEGIN');
    await this.#holder.query('LOCK TABLE held IN ACCESS EXCLUSIVE MODE');
    // The lock's record is sent to the replica when something later is committed.
    await this.#other.query(`INSERT INTO entry (account, note) VALUES (1, 'after the lock')`);
    await until('the replica holds the lock', async () => {
      const { rowCount } = await this.#replica.query(
        `SELECT FROM pg_locks WHERE relation = to_regclass('held') AND mode = 'AccessExclusiveLock' AND granted`,
      );
      return rowCount === 1;
    });
  }

  async release(): Promise<void> {
    await this.#holder.query('COMMIT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#holder, this.#other, this.#replica].map((client) => client.end()));
  }
}
