import type { TestingModule } from '@nestjs/testing';
import { sql } from 'drizzle-orm';
import { PgCluster } from 'nestjs-pg-mcp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DRIZZLE, DrizzleModule, type Database } from '../../sample-app/orm/drizzle.module.js';
import { freshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';
import { codesOf, givenBack, startOrm, TABLES } from './contract.js';

let app: TestingModule;
let cluster: PgCluster;
let db: Database;

/** With one connection for each node. */
beforeAll(async () => {
  app = await startOrm(DrizzleModule, (await freshDatabase()).config, '500ms');
  cluster = app.get(PgCluster);
  db = app.get<Database>(DRIZZLE);
  for (const table of TABLES) await cluster.query(table);
});

afterAll(() => app.close());

beforeEach(async () => {
  await cluster.query('TRUNCATE authors, notes');
  const isOnStandby = async () => (await cluster.query(WHERE)).rows[0].standby;
  await until(isOnStandby, { deadlineMs: 5_000, what: 'a replica to have it' });
});

afterEach(() => givenBack(cluster));

const WHERE = 'SELECT pg_is_in_recovery() AS standby, count(*)::int AS n FROM authors';
const add = (name: string) => sql`INSERT INTO authors (name) VALUES (${name})`;
const count = async () => (await cluster.useMaster(() => cluster.query(WHERE))).rows[0].n;

const query = async (text: string) => {
  const client = await cluster.pool.connect();
  try {
    await client.query(text);
  } finally {
    client.release();
  }
};

describe("in a transaction of the ORM's", () => {
  it('what it has done is not seen elsewhere', async () => {
    await db.transaction(async (tx) => {
      await tx.execute(add('Ada'));
      const elsewhere = await cluster.query({ text: WHERE, consistency: 'eventual' });
      expect(elsewhere.rows).toEqual([{ standby: true, n: 0 }]);
      const ofAnother = await cluster.session.resume(undefined, () => db.execute(sql.raw(WHERE)));
      expect(ofAnother.rows).toEqual([{ standby: true, n: 0 }]);
      expect((await tx.execute(sql.raw(WHERE))).rows).toEqual([{ standby: false, n: 1 }]);
    });
  });

  it.each([
    ['transaction()', () => cluster.transaction(() => cluster.query(WHERE))],
    ['a write', () => cluster.query(`INSERT INTO authors (name) VALUES ('Eve')`)],
    ['a read of what it wrote', () => db.execute(sql.raw(WHERE))],
    ['another BEGIN', () => query('BEGIN')],
  ])('%s has another connection, and where there is none is told why', async (_what, call) => {
    await db.transaction(async (tx) => {
      await tx.execute(add('Ada'));
      const error = await Promise.resolve(call()).catch((failure: unknown) => failure);
      expect(codesOf(error)).toContain('ACQUIRE_TIMEOUT');
      expect(String((error as Error).cause ?? error)).toMatch(
        /came free within \d+ ms \(1 active, 0 idle, 1 open of 1 allowed, \d waiting\); in transactions in which nothing runs, one of which may wait for this very call: 1/,
      );
    });
    expect(await count()).toBe(1);
  });

  it('transaction() around it would have been the one connection', async () => {
    await cluster.transaction(async () => {
      await db.transaction((tx) => tx.execute(add('Ada')));
      await cluster.transaction(() => cluster.query(`INSERT INTO authors (name) VALUES ('Bob')`));
    });
    expect(await count()).toBe(2);
  });
});

describe('in transaction()', () => {
  it("those of the ORM's take turns", async () => {
    await cluster.transaction(() =>
      Promise.all(['Ada', 'Bob', 'Eve'].map((name) => db.transaction((tx) => tx.execute(add(name))))),
    );
    expect(await count()).toBe(3);
  });

  it('one that waits for a call beside it is told so', async () => {
    const waiting = cluster.transaction(() =>
      db.transaction(async (tx) => {
        await tx.execute(add('Ada'));
        await cluster.query(WHERE);
      }),
    );
    expect(codesOf(await waiting.catch((error: unknown) => error))).toContain('ACQUIRE_TIMEOUT');
    expect(await count()).toBe(0);
  });

  it('one that is read-only writes nothing, and what follows it may', async () => {
    await cluster.transaction(async () => {
      const writing = db.transaction((tx) => tx.execute(add('Eve')), { accessMode: 'read only' });
      expect(codesOf(await writing.catch((error: unknown) => error))).toContain('25006');
      await db.execute(add('Ada'));
    });
    expect(await count()).toBe(1);
  });
});

describe('in the scope of a replica', () => {
  it("one of the ORM's reads there, and writes nothing", async () => {
    await cluster.useReplica(() =>
      db.transaction(async (tx) => {
        expect((await tx.execute(sql.raw(WHERE))).rows[0]).toMatchObject({ standby: true });
        const error = await Promise.resolve(tx.execute(add('Eve'))).catch((failure: unknown) => failure);
        expect(codesOf(error)).toContain('WRITE_ON_REPLICA');
      }),
    );
    expect(await count()).toBe(0);
  });

  it('nobody waits for a client that is idle', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => cluster.pool.connect()));
    await cluster.useReplica(async () => {
      const client = await cluster.pool.connect();
      expect((await client.query(WHERE)).rows[0].standby).toBe(true);
      client.release();
    });
    for (const client of clients) client.release();
  });
});
