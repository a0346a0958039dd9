import 'reflect-metadata';
import type { InjectionToken, ModuleMetadata } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { PgCluster, PgMcpModule } from 'nestjs-pg-mcp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';

/** What a migration of each ORM makes. */
export const TABLES = [
  'CREATE TABLE authors (id serial PRIMARY KEY, name text NOT NULL UNIQUE)',
  'CREATE TABLE notes (id serial PRIMARY KEY, text text NOT NULL, author_id int NOT NULL REFERENCES authors)',
] as const;

/** The service of each example in sample-app/orm/. */
export interface Authors {
  add(name: string): Promise<unknown>;
  names(): Promise<string[]>;
  withNotes(): Promise<readonly { readonly name: string; readonly notes: readonly { text: string }[] }[]>;
  addWithNotes(name: string, texts: readonly string[]): Promise<unknown>;
  addAll(all: Readonly<Record<string, readonly string[]>>): Promise<unknown>;
  each?(): AsyncIterable<string>;
}

/** What runs in a transaction of the ORM. */
export interface InTransaction {
  add(name: string): Promise<unknown>;
  names(): Promise<string[]>;
  /** A transaction of the ORM in this one. */
  nested(work: (inner: InTransaction) => Promise<void>): Promise<void>;
}

export interface OrmUnderTest {
  readonly module: NonNullable<ModuleMetadata['imports']>[number];
  readonly authors: InjectionToken<Authors>;
  /** By the ORM's own migrations; again, it finds nothing to do. */
  migrate(app: TestingModule): Promise<unknown>;
  transaction(app: TestingModule, work: (tx: InTransaction) => Promise<void>): Promise<unknown>;
}

/** The example's application, with one connection for each node: what waits for itself would never end. */
export async function startOrm(
  module: OrmUnderTest['module'],
  config: object,
  acquireTimeout = '3s',
): Promise<TestingModule> {
  const app = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({
        config: config as never,
        healthCheck: { interval: '100ms' },
        connectionPool: { maxConnections: 1, acquireTimeout },
      }),
      module,
    ],
  }).compile();
  return app.init();
}

/** What every ORM over `cluster.pool` keeps to. */
export function keepsTheContract(orm: OrmUnderTest): void {
  let app: TestingModule;
  let cluster: PgCluster;
  let authors: Authors;
  const transaction = (work: (tx: InTransaction) => Promise<void>) => orm.transaction(app, work);

  beforeAll(async () => {
    app = await startOrm(orm.module, (await freshDatabase()).config);
    cluster = app.get(PgCluster);
    authors = app.get(orm.authors);
    await orm.migrate(app);
  });

  afterAll(() => app.close());

  beforeEach(async () => {
    await cluster.query('TRUNCATE authors, notes');
    await caughtUp();
  });

  afterEach(() => givenBack(cluster));

  /** Where calls went meanwhile, but for the library's own looks at the catalog. */
  const ranOn = async (work: () => Promise<unknown>): Promise<string[]> => {
    const calls = () =>
      new Map(
        cluster
          .getCounters()
          .decisions.filter(({ reason }) => reason !== 'catalog')
          .map(({ target, reason, count }) => [`${target} ${reason}`, { target, count }]),
      );
    const before = calls();
    await work();
    const made = [...calls()].filter(([key, { count }]) => count > (before.get(key)?.count ?? 0));
    return [...new Set(made.map(([, { target }]) => target))];
  };

  /** Until replicas have what this session wrote. */
  const caughtUp = () =>
    until(async () => (await ranOn(() => authors.names())).join() === 'replica', {
      deadlineMs: 5_000,
      what: 'reads on replicas alone',
    });

  it('migrates, once', async () => {
    await authors.add('Ada');
    await orm.migrate(app);
    expect(await authors.names()).toEqual(['Ada']);
  });

  it('writes on the primary, reads on a replica, and reads what was written', async () => {
    expect(await ranOn(() => authors.add('Ada'))).toEqual(['primary']);
    expect(await authors.names()).toEqual(['Ada']);
    await caughtUp();
  });

  it('has its transactions on the primary', async () => {
    expect(await ranOn(() => authors.addWithNotes('Ada', ['one', 'two']))).toEqual(['primary']);
    const failing = transaction(async (tx) => {
      await tx.add('Eve');
      expect(await tx.names()).toEqual(['Ada', 'Eve']);
      throw new Error('sick');
    });
    await expect(failing).rejects.toThrow('sick');
    expect(await authors.names()).toEqual(['Ada']);
  });

  it('has transactions in its transactions', async () => {
    await transaction(async (tx) => {
      await tx.add('Ada');
      const failing = tx.nested(async (inner) => {
        await inner.add('Eve');
        throw new Error('sick');
      });
      await expect(failing).rejects.toThrow('sick');
      await tx.nested((inner) => inner.add('Bob') as Promise<void>);
    });
    expect(await authors.names()).toEqual(['Ada', 'Bob']);
  });

  it('reads relations, in the scope of a replica', async () => {
    await authors.addWithNotes('Ada', ['one', 'two']);
    await caughtUp();
    let found: Awaited<ReturnType<Authors['withNotes']>> = [];
    expect(await ranOn(async () => (found = await authors.withNotes()))).toEqual(['replica']);
    expect(found).toMatchObject([{ name: 'Ada', notes: [{ text: 'one' }, { text: 'two' }] }]);
  });

  it('is refused writes in the scope of a replica', async () => {
    const adding = cluster.useReplica(() => authors.add('Eve'));
    expect(codesOf(await adding.catch((error: unknown) => error))).toContain('WRITE_ON_REPLICA');
    expect(await authors.names()).toEqual([]);
  });

  it('reads on the primary in its scope', async () => {
    expect(await ranOn(() => cluster.useMaster(() => authors.names()))).toEqual(['primary']);
  });

  describe('in transaction()', () => {
    it('joins it', async () => {
      await cluster.transaction(async () => {
        await authors.add('Ada');
        await cluster.query(`INSERT INTO authors (name) VALUES ('Bob')`);
        expect(await authors.names()).toEqual(['Ada', 'Bob']);
        expect(await cluster.session.resume(undefined, () => authors.withNotes())).toHaveLength(2);
      });
      const failing = cluster.transaction(async () => {
        await authors.add('Eve');
        throw new Error('sick');
      });
      await expect(failing).rejects.toThrow('sick');
      expect(await authors.names()).toEqual(['Ada', 'Bob']);
    });

    it('has its own as savepoints', async () => {
      await cluster.transaction(async () => {
        const failing = transaction(async (tx) => {
          await tx.add('Eve');
          throw new Error('sick');
        });
        await expect(failing).rejects.toThrow('sick');
        await transaction(async (tx) => {
          await tx.add('Ada');
          await tx.nested((inner) => inner.add('Bob') as Promise<void>);
        });
      });
      expect(await authors.names()).toEqual(['Ada', 'Bob']);
    });

    it('loses what it has committed there when that fails', async () => {
      await authors.addAll({ Ada: ['one'] });
      await expect(authors.addAll({ Bob: ['two'], Ada: ['again'] })).rejects.toThrow();
      expect(await authors.names()).toEqual(['Ada']);
    });
  });

  it('never waits for itself, whatever runs at once', async () => {
    const one = async (n: number) => {
      await authors.addWithNotes(`own ${n}`, ['a']);
      await cluster.transaction(async () => {
        await authors.add(`joined ${n}`);
        await transaction((tx) => tx.add(`savepoint ${n}`) as Promise<void>);
      });
      await authors.names();
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => one(n)));
    expect(await authors.names()).toHaveLength(24);
  });

  it('streams rows from a replica', async (test) => {
    const { each } = authors;
    if (!each) {
      process.stderr.write(`${test.task.file.name}: no test with streams, it has none\n`);
      return test.skip('it has no streams');
    }
    for (const name of ['Ada', 'Bob', 'Eve']) await authors.add(name);
    await caughtUp();
    const names: string[] = [];
    const all = async () => {
      names.length = 0;
      for await (const name of each.call(authors)) names.push(name);
    };
    // Who was asked before may not be who is asked now: each replica is to be seen to have it.
    await until(async () => !(await ranOn(all)).includes('primary'), {
      deadlineMs: 5_000,
      what: 'a stream from a replica',
    });
    expect(names).toEqual(['Ada', 'Bob', 'Eve']);
    for await (const name of each.call(authors)) {
      expect(name).toBe('Ada');
      break;
    }
  });
}

/** Every connection comes back. */
export const connectionsBack = (cluster: PgCluster): Promise<unknown> =>
  until(() => cluster.getStatus().activeConnections === 0, {
    deadlineMs: 2_000,
    what: 'every connection to come back',
  });

/** The same, and every client. */
export async function givenBack(cluster: PgCluster): Promise<void> {
  await connectionsBack(cluster);
  expect(cluster.pool.idleCount).toBe(cluster.pool.totalCount);
}

/** Of an error and what ORMs wrap it in. */
export function codesOf(error: unknown): unknown[] {
  if (typeof error !== 'object' || error === null) return [];
  const { code, cause, original } = error as { code?: unknown; cause?: unknown; original?: unknown };
  return [code, ...codesOf(cause), ...codesOf(original)];
}
