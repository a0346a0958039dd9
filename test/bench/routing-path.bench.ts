import { PgCluster } from 'nestjs-pg-mcp';
import { bench, describe } from 'vitest';
import type { Answered, ConnectOptions, Driver, DriverConnection } from '../../lib/pool/driver.js';
import type { QueryResult, Statement } from '../../lib/query.js';

// What a call costs on its way to the driver and back: the driver here answers at once, and there is no server.
// npx vitest bench --run --config config/vitest.config.ts test/bench/routing-path.bench.ts
const NOTHING: QueryResult = { rows: [], rowCount: 0, command: 'SELECT', fields: [] };

class Instant implements DriverConnection {
  readonly processId = 1;
  readonly transactionStatus = 'I';
  readonly isBusy = false;
  readonly isLost = false;
  readonly isGathering = false;
  readonly identity = { startedAt: 'then', searchPath: '[]' };
  readonly backend = undefined;
  readonly client = undefined;
  readonly #options: ConnectOptions;

  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  async query(statement: string | Statement): Promise<QueryResult> {
    const text = typeof statement === 'string' ? statement : statement.text;
    return text.includes('pg_is_in_recovery() AS standby') ? { ...NOTHING, rows: [this.#probed()] } : NOTHING;
  }

  ask<R>(statement: Statement, answered: Answered<R>): void {
    void this.query(statement).then((result) => answered(undefined, result as QueryResult<R>));
  }

  pipeline<R>(statement: Statement, _known: unknown, answered: Answered<R>): undefined {
    void this.query(statement).then((result) => answered(undefined, result as QueryResult<R>));
  }

  listen(): void {}
  commit(): Promise<QueryResult> {
    return this.query('COMMIT');
  }
  async reset(): Promise<void> {}
  async end(): Promise<void> {}
  destroy(): void {}

  #probed() {
    const standby = this.#options.node !== 'p';
    return {
      standby,
      system_id: '1',
      server_started_at: 'then',
      timeline: 1,
      replay_timeline: standby ? 1 : null,
      insert_lsn: standby ? null : '0/64',
      segment_bytes: 16_777_216,
      replayed_lsn: '0/64',
      receiver: standby ? 'streaming' : null,
    };
  }
}

const driver: Driver = { connect: async (options) => new Instant(options) };
const node = (name: string) => ({ name, host: name, user: 'app', password: 'secret', database: 'app' });
const cluster = PgCluster.fromConfig(
  { masters: [node('p')], replicas: [node('r1'), node('r2'), node('r3')] },
  {},
  { driver },
);
await cluster.connect();
const alone = await driver.connect({ node: 'r1' } as ConnectOptions, undefined as never);
const text = 'SELECT $1';
const values = [1];

describe('a call', () => {
  bench('to the driver alone', async () => {
    await alone.query({ text, values });
  });
  bench('that nothing decorates', async () => {
    await cluster.query(text, values);
  });
  bench('in a replica scope', async () => {
    await cluster.useReplica(() => cluster.query(text, values));
  });
  bench('in a master scope', async () => {
    await cluster.useMaster(() => cluster.query(text, values));
  });
});
