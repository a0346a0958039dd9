import { PgCluster } from 'nestjs-pg-mcp';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';

let cluster: PgCluster;

beforeAll(async () => {
  // One connection, so that the next user gets what the former has left.
  const connectionPool = { minConnections: 1, maxConnections: 1 };
  cluster = PgCluster.fromConfig((await freshDatabase()).config, { connectionPool });
  await cluster.connect();
});

afterAll(() => cluster.close());

const SET = `SELECT set_config('my.setting', 'left', false)`;
const LOCK = 'SELECT pg_advisory_lock(1)';

async function left() {
  const { rows } = await cluster.useMaster(() =>
    cluster.query(
      `SELECT coalesce(current_setting('my.setting', true), '') AS setting,
        (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks`,
    ),
  );
  return rows[0];
}

describe('nothing is left on a connection for its next user by', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['SET in a transaction', () => cluster.transaction(() => cluster.query(`SET my.setting = 'left'`))],
    ['set_config() in a transaction', () => cluster.transaction(() => cluster.query(SET))],
    ['a lock in a transaction', () => cluster.transaction(() => cluster.query(LOCK))],
    [
      'a lock in a savepoint',
      () => cluster.transaction(() => cluster.transaction(() => cluster.query(LOCK))),
    ],
    [
      'a lock in a transaction that rolls back: it holds on',
      () =>
        cluster
          .transaction(async () => {
            await cluster.query(LOCK);
            throw new RangeError('on purpose');
          })
          .catch(() => {}),
    ],
    [
      'set_config() by a lease of a transaction',
      () =>
        cluster.transaction(async () => {
          const lease = await cluster.getConnection();
          await lease.query(SET);
        }),
    ],
    [
      'what was done with the client of a transaction',
      () =>
        cluster.transaction(async () => {
          const lease = await cluster.getConnection();
          await (lease.client as Client).query(SET);
        }),
    ],
    [
      'set_config() on a held connection',
      () => cluster.useMaster({ session: true }, () => cluster.query(SET)),
    ],
    [
      'what was done with the client of a lease',
      async () => {
        await using lease = await cluster.getMasterConnection();
        await (lease.client as Client).query(LOCK);
      },
    ],
  ])('%s', async (_, work) => {
    await work();
    expect(await left()).toEqual({ setting: '', locks: 0 });
  });
});

describe('what would be left is refused outside a connection of its own', () => {
  it.each([
    [SET, 'setting'],
    [LOCK, 'lock'],
  ])('%s', async (text, reason) => {
    const ask = () => cluster.query(text);
    for (const call of [ask, () => cluster.useMaster(ask), () => cluster.useReplica(ask)])
      await expect(call()).rejects.toMatchObject({ code: 'SESSION_STATEMENT', reason });
    expect(await left()).toEqual({ setting: '', locks: 0 });
  });
});
