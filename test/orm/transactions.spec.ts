import type { TestingModule } from '@nestjs/testing';
import { sql } from 'drizzle-orm';
import { PgCluster, type IsolationLevel } from 'nestjs-pg-mcp';
import { pgModule } from 'nestjs-pg-mcp/orm';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DRIZZLE, DrizzleModule, type Database } from '../../sample-app/orm/drizzle.module.js';
import { freshDatabase } from '../support/cluster.js';
import { Cursor } from '../support/cursor.js';
import { until } from '../support/until.js';
import { codesOf, connectionsBack, startOrm, TABLES } from './contract.js';

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

// Drizzle forgets the client whose BEGIN was refused.
afterEach(() => connectionsBack(cluster));

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
        /came free within \d+ ms \(1 active, 0 idle, 1 open of 1 allowed, \d waiting\); in transactions in which nothing runs: 1\. .*this very call: within a transaction of an ORM use .*its tx.*, or put transaction\(\) around/,
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

describe('in transaction(), what one asks for', () => {
  const LEVEL = `SELECT current_setting('transaction_isolation') AS level, current_setting('transaction_read_only') AS reads`;
  let orm: DataSource;

  beforeAll(async () => {
    orm = await new DataSource({ type: 'postgres', driver: pgModule(cluster) }).initialize();
  });

  afterAll(() => orm.destroy());

  const levelIn = async (run: (text: string) => PromiseLike<unknown>): Promise<unknown> => {
    const found = (await run(LEVEL)) as { rows?: unknown[] } & unknown[];
    return (found.rows ?? found)[0];
  };

  /** As each of them says it: in BEGIN, by SET TRANSACTION, as an option. */
  const WAYS = {
    Drizzle: (isolation) =>
      db.transaction((tx) => levelIn((text) => tx.execute(sql.raw(text))), { isolationLevel: isolation }),
    TypeORM: (isolation) =>
      orm.transaction(isolation.toUpperCase() as 'SERIALIZABLE', (tx) => levelIn((text) => tx.query(text))),
    'a client': async (isolation) => {
      const client = await cluster.pool.connect();
      try {
        await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
        const level = await levelIn((text) => client.query(text));
        await client.query('COMMIT');
        return level;
      } finally {
        client.release();
      }
    },
    'transaction()': (isolation) =>
      cluster.transaction({ isolation }, () => levelIn((text) => cluster.query(text))),
  } satisfies Record<string, (isolation: IsolationLevel) => Promise<unknown>>;

  describe.each(Object.entries(WAYS))('%s', (_name, level) => {
    it.each(['repeatable read', 'read committed'] as const)('it has, where that is %s', async (asked) => {
      await cluster.transaction({ isolation: 'repeatable read' }, async () => {
        await cluster.query(WHERE);
        expect(await level(asked)).toEqual({ level: 'repeatable read', reads: 'off' });
      });
    });

    it('is refused where the outer one is weaker, which goes on', async () => {
      await cluster.transaction(async () => {
        await db.execute(add('Ada'));
        const error = await level('serializable').catch((failure: unknown) => failure);
        expect(codesOf(error)).toContain('SESSION_STATEMENT');
        expect(String((error as Error).cause ?? error)).toContain(
          "give that isolation: 'serializable', as an option of the outermost transaction()",
        );
        await db.execute(add('Bob'));
      });
      expect(await count()).toBe(2);
    });
  });

  it('is refused where the outer one only reads, and it says that it writes', async () => {
    await cluster.transaction({ readOnly: true }, async () => {
      const writing = db.transaction((tx) => tx.execute(sql`SELECT 1`), { accessMode: 'read write' });
      expect(codesOf(await writing.catch((error: unknown) => error))).toContain('SESSION_STATEMENT');
      expect(await query(`BEGIN READ ONLY; SET TRANSACTION ISOLATION LEVEL READ COMMITTED`)).toBeUndefined();
    });
  });

  it('is read-only from SET TRANSACTION on', async () => {
    const client = await cluster.pool.connect();
    await cluster.transaction(async () => {
      await client.query('BEGIN');
      await client.query('SET TRANSACTION READ ONLY');
      await expect(client.query(`INSERT INTO authors (name) VALUES ('Eve')`)).rejects.toMatchObject({
        code: '25006',
      });
      await client.query('ROLLBACK');
      await db.execute(add('Ada'));
    });
    client.release();
    expect(await count()).toBe(1);
  });
});

describe('in transaction(), a client', () => {
  const within = async (...texts: string[]) => {
    const client = await cluster.pool.connect();
    try {
      for (const text of texts) await client.query(text);
    } finally {
      client.release();
    }
  };

  it.each([
    [`BEGIN; INSERT INTO authors (name) VALUES ('Eve')`],
    ['BEGIN', `INSERT INTO authors (name) VALUES ('Eve'); COMMIT`],
    ['BEGIN', `SAVEPOINT one; COMMIT`],
    ['BEGIN', 'COMMIT AND CHAIN'],
    [`SET LOCAL work_mem = '5MB'; COMMIT`],
  ])('is refused what is more than a savepoint: %s %s', async (...texts) => {
    await cluster.transaction(async () => {
      await db.execute(add('Ada'));
      await expect(within(...texts)).rejects.toMatchObject({ code: 'SESSION_STATEMENT' });
      await db.execute(add('Bob'));
    });
    expect(await count()).toBe(2);
  });

  it('whose COMMIT fails is told why, by an ORM that rolls back behind it too', async () => {
    const failing = cluster.transaction(() =>
      db.transaction(async (tx) => {
        await tx.execute(sql`SELECT 1 / 0`).catch(() => {});
      }),
    );
    expect(codesOf(await failing.catch((error: unknown) => error))).toContain('TRANSACTION_ABORTED');
  });

  it('begins anew after a COMMIT that failed', async () => {
    const client = await cluster.pool.connect();
    await cluster.transaction(async () => {
      await client.query('BEGIN');
      await client.query('SELECT 1 / 0').catch(() => {});
      await expect(client.query('COMMIT')).rejects.toMatchObject({ code: 'TRANSACTION_ABORTED' });
      await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
      await client.query('BEGIN');
      await client.query(`INSERT INTO authors (name) VALUES ('Ada')`);
      await client.query('COMMIT');
    });
    client.release();
    expect(await count()).toBe(1);
  });

  it('begins behind a cursor', async () => {
    const client = await cluster.pool.connect();
    await cluster.transaction(async () => {
      const cursor = client.query(new Cursor('SELECT 1 AS one'));
      expect(await cursor.read(9)).toEqual([{ one: 1 }]);
      await cursor.close();
      await client.query('BEGIN');
      await client.query(`INSERT INTO authors (name) VALUES ('Ada')`);
      await client.query('COMMIT');
    });
    client.release();
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
