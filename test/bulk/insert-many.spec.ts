import type { InsertManyOptions, PgCluster } from 'nestjs-pg-mcp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { manyPeople, peopleCluster, type Person } from './database.js';

let cluster: PgCluster;
let found: Awaited<ReturnType<typeof peopleCluster>>;

beforeAll(async () => {
  found = await peopleCluster();
  ({ cluster } = found);
});

afterAll(() => found.close());
beforeEach(async () => {
  await cluster.query('TRUNCATE people');
});
afterEach(() => found.allBack());

const ADA: Person = { id: 1, name: 'Ada', age: 36 };
const BOB: Person = { id: 2, name: null, age: 7 };
const all = async () =>
  (await cluster.useMaster(() => cluster.query<Person>('SELECT * FROM people ORDER BY id'))).rows;

describe('insertMany', () => {
  it.each<[string, Iterable<object>, InsertManyOptions]>([
    ['objects', [ADA, BOB], {}],
    [
      'objects in another order, one without a key',
      [
        { age: 36, name: 'Ada', id: 1 },
        { age: 7, id: 2 },
      ],
      {},
    ],
    [
      'arrays',
      [
        [1, 'Ada', 36],
        [2, null, 7],
      ],
      {},
    ],
    [
      'arrays of named columns',
      [
        [36, 1, 'Ada'],
        [7, 2, null],
      ],
      { columns: ['age', 'id', 'name'] },
    ],
    [
      'objects that hold more',
      [
        { ...ADA, x: 1 },
        { ...BOB, y: 2 },
      ],
      { columns: ['id', 'name', 'age'] },
    ],
    ['an iterable', new Set([ADA, BOB]), {}],
  ])('stores %s', async (_, rows, options) => {
    expect(await cluster.insertMany('people', rows, options)).toMatchObject({
      rowCount: 2,
      command: 'INSERT',
      rows: [],
    });
    expect(await all()).toEqual([ADA, BOB]);
  });

  it('stores more rows than a statement has parameters', async () => {
    const { rowCount } = await cluster.insertMany('people', manyPeople(70_000).people);
    expect(rowCount).toBe(70_000);
  });

  it('takes no rows for nothing to do', async () => {
    expect(await cluster.insertMany('people', [])).toEqual({
      rows: [],
      rowCount: 0,
      command: 'INSERT',
      fields: [],
    });
  });

  it('returns what was stored', async () => {
    const named = await cluster.insertMany<{ id: number }>('people', [ADA, BOB], { returning: ['id'] });
    expect(named.rows).toEqual([{ id: 1 }, { id: 2 }]);
    const { rows } = await cluster.insertMany('people', [{ id: 3 }], { returning: '*' });
    expect(rows).toEqual([{ id: 3, name: null, age: null }]);
  });
});

describe('conflicts', () => {
  beforeEach(async () => {
    await cluster.insertMany('people', [ADA]);
  });
  const NEW = { id: 1, name: 'Eve', age: 5 };

  it.each<[string, NonNullable<InsertManyOptions['onConflict']>, number, Person]>([
    ['nothing', 'nothing', 1, ADA],
    ['nothing of a target', { target: ['id'], update: [] }, 1, ADA],
    ['all others', { target: ['id'] }, 2, NEW],
    ['one column', { target: ['id'], update: ['age'] }, 2, { ...ADA, age: 5 }],
  ])('%s', async (_, onConflict, rowCount, kept) => {
    expect(await cluster.insertMany('people', [NEW, BOB], { onConflict })).toMatchObject({ rowCount });
    expect(await all()).toEqual([kept, BOB]);
  });

  it('without a word are the error of the server, and nothing is stored', async () => {
    await expect(cluster.insertMany('people', [BOB, NEW])).rejects.toMatchObject({ code: '23505' });
    expect(await all()).toEqual([ADA]);
  });
});

describe('what is wrong is named', () => {
  it.each<[string, unknown[], InsertManyOptions, RegExp]>([
    ['a column', [{ id: 1, nmae: 'x' }], {}, /has no column "nmae"; did you mean "name"\?/],
    ['a returned column', [ADA], { returning: ['agee'] }, /has no column "agee"; did you mean "age"\?/],
    ['a target', [ADA], { onConflict: { target: ['ids'] } }, /has no column "ids"/],
    ['a row that is too short', [[1, 'a', 1], [2]], {}, /^row 2 has 1 values for 3 columns/],
    ['a key that the first row lacks', [ADA, { ...BOB, more: 1 }], {}, /^row 2 has "more"/],
    ['a value', [ADA, { ...BOB, age: Symbol('x') }], {}, /^row 2, column "age": a symbol is no value/],
  ])('%s', async (_, rows, options, message) => {
    const failing = cluster.insertMany('people', rows as object[], options);
    await expect(failing).rejects.toMatchObject({
      code: 'BULK_INPUT',
      message: expect.stringMatching(message),
    });
    expect(await all()).toEqual([]);
  });

  it.each<[object, RegExp]>([
    [{ onConflict: 'ignore' }, /^onConflict: /],
    [{ onConflict: { target: [] } }, /^onConflict.target: /],
    [{ onConflict: { target: ['id'], update: [5] } }, /^onConflict.update: /],
    [{ returning: 'id' }, /^returning: /],
    [{ columns: [] }, /^columns: /],
  ])('the option %j', async (options, message) => {
    await expect(cluster.insertMany('people', [ADA], options)).rejects.toThrow(message);
  });

  it('the table', async () => {
    await expect(cluster.insertMany('peple', [ADA])).rejects.toMatchObject({ code: '42P01' });
    await expect(cluster.insertMany('a; b', [ADA])).rejects.toThrow(/^no name of a table/);
  });

  it('a value that the server does not take', async () => {
    await expect(cluster.insertMany('people', [{ id: 'x' }])).rejects.toMatchObject({ code: '22P02' });
  });
});

describe('where it runs', () => {
  it('joins a transaction', async () => {
    const fault = new Error('on purpose');
    const failing = cluster.transaction(async () => {
      await cluster.insertMany('people', [ADA]);
      expect((await cluster.query('SELECT FROM people')).rows).toHaveLength(1);
      throw fault;
    });
    await expect(failing).rejects.toBe(fault);
    expect(await all()).toEqual([]);
  });

  it('is refused in a replica scope', async () => {
    const failing = cluster.useReplica(() => cluster.insertMany('people', [ADA]));
    await expect(failing).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA' });
  });

  it('marks its session', async () => {
    for (let id = 1; id <= 20; id++) {
      await cluster.session.resume(undefined, async () => {
        await cluster.insertMany('people', [{ id }]);
        expect((await cluster.query('SELECT FROM people WHERE id = $1', [id])).rows).toHaveLength(1);
      });
    }
  });
});
