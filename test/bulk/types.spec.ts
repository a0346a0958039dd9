import type { CopyFormat, PgCluster } from 'nestjs-pg-mcp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { peopleCluster } from './database.js';

let cluster: PgCluster;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ cluster, close } = await peopleCluster());
  await cluster.query(`CREATE TYPE mood AS ENUM ('glad', 'sad, or "so"')`);
  await cluster.query(`CREATE DOMAIN age AS int CHECK (value >= 0)`);
  await cluster.query(`CREATE DOMAIN ages AS age[]`);
});

afterAll(() => close());

const when = new Date('2024-02-29T13:14:15.678Z');
const HARD = [
  '',
  '\\',
  '\\N',
  '\\.',
  'a\tb',
  'a\nb',
  'a\r\nb',
  '"',
  `'`,
  'a,b',
  ' a ',
  'ä€😀',
  'NULL',
  '{}',
  '\\x41',
];

/** Of each type what JavaScript has for it; NULL is tried with each. */
const CASES: Readonly<Record<string, readonly unknown[]>> = {
  text: [...HARD, 5, true, 12n],
  'varchar(20)': HARD,
  'char(8)': ['a', ' b'],
  name: ['a name'],
  mood: ['glad', 'sad, or "so"'],
  age: [7],
  boolean: [true, false],
  smallint: [0, -32_768, 32_767, '12'],
  int: [0, -2_147_483_648, 2_147_483_647, '+5'],
  bigint: [0, 9_007_199_254_740_993n, -(2n ** 63n), '9223372036854775807'],
  oid: [0, 4_294_967_295],
  real: [0, 1.5, -0.25, NaN, Infinity],
  'double precision': [0, 0.1, -1e300, 5e-324, NaN, -Infinity, '1e5'],
  numeric: [
    0,
    1.25,
    -1e-7,
    1e21,
    '123456789012345678901234567890.000000001',
    '0.00',
    '10000',
    'NaN',
    -Infinity,
    12n,
  ],
  'numeric(8,2)': [1.005, '-12.3'],
  bytea: [Buffer.from([0, 1, 92, 10, 255]), Buffer.alloc(0), new Uint8Array([7, 8])],
  uuid: ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  date: [when, new Date(1969, 6, 20), '2024-02-29'],
  timestamp: [when, new Date(1583, 0, 2)],
  timestamptz: [when, new Date(-1), Infinity],
  json: [{ a: [1, null, 'x"\\'] }, '[1, 2]', 5],
  jsonb: [{ a: { b: '\n\t' } }, 'null', true],
  'int[]': [
    [],
    [1, null, 3],
    [
      [1, 2],
      [3, 4],
    ],
  ],
  'text[]': [
    HARD,
    [null, 'NULL'],
    [
      ['a', '"'],
      ['\\', null],
    ],
  ],
  'timestamptz[]': [[when, null]],
  'bytea[]': [[Buffer.from([1, 0]), null]],
  'jsonb[]': [[{ a: 1 }, null]],
  'numeric[]': [['1.5', 2]],
  'uuid[]': [['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
};

/** For these the binary format has no encoder here. */
const TEXT_ONLY: typeof CASES = {
  ages: [[1, 2], []],
  inet: ['10.0.0.1/8', '::1'],
  cidr: ['10.0.0.0/8'],
  macaddr: ['08:00:2b:01:02:03'],
  int4range: ['[1,5)', 'empty'],
  tstzrange: ['["2024-01-01 00:00:00+00",)'],
  time: ['12:34:56.789'],
  interval: ['1 day 02:03:04'],
  money: ['12.50'],
  point: ['(1,2)'],
  tsvector: [`'a':1 'b':2`],
  xml: ['<a>1</a>'],
  'bit(3)': ['101'],
  varbit: ['1010'],
  'inet[]': [['10.0.0.1', null]],
};

let boxes = 0;

/** Each of a name of its own: a prepared INSERT keeps the types of its parameters. */
async function emptyBox(type: string): Promise<string> {
  const box = `box_${++boxes}`;
  await cluster.query(`CREATE TABLE ${box} (n int, value ${type})`);
  return box;
}

type Put = (box: string, rows: { n: number; value: unknown }[]) => Promise<unknown>;

interface Stored {
  readonly n: number;
  readonly value: string | null;
}

/** What stands in a table of one column of the type, as text, after the values were put in. */
async function stored(type: string, values: readonly unknown[], put: Put) {
  const box = await emptyBox(type);
  await put(
    box,
    [...values, null].map((value, n) => ({ n, value })),
  );
  const { rows } = await cluster.useMaster(() =>
    cluster.query<Stored>(`SELECT n, value::text FROM ${box} ORDER BY n`),
  );
  return rows;
}

const byRows: Put = (box, rows) =>
  Promise.all(rows.map(({ n, value }) => cluster.query(`INSERT INTO ${box} VALUES ($1, $2)`, [n, value])));

describe.each<CopyFormat>(['text', 'csv', 'binary'])('copyFrom as %s stores what INSERT does', (format) => {
  const cases = format === 'binary' ? CASES : { ...CASES, ...TEXT_ONLY };
  it.each(Object.entries(cases))('%s', async (type, values) => {
    const expected = await stored(type, values, byRows);
    expect(await stored(type, values, (box, rows) => cluster.copyFrom(box, { format }, rows))).toEqual(
      expected,
    );
  });
});

describe('insertMany stores what INSERT does', () => {
  it.each(Object.entries({ ...CASES, ...TEXT_ONLY }))('%s', async (type, values) => {
    const expected = await stored(type, values, byRows);
    expect(await stored(type, values, (box, rows) => cluster.insertMany(box, rows))).toEqual(expected);
  });
});

describe("dates where the clock is another than the server's", () => {
  const zone = process.env['TZ'];
  afterEach(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  it.each(['Asia/Kolkata', 'America/New_York'])('are stored as by INSERT: %s', async (place) => {
    process.env['TZ'] = place;
    const dates = [when, new Date(2024, 6, 1, 0, 30), new Date(1999, 11, 31, 23, 59)];
    expect(when.getTimezoneOffset()).not.toBe(0);
    for (const type of ['date', 'timestamp', 'timestamptz']) {
      const expected = await stored(type, dates, byRows);
      for (const format of ['text', 'binary'] as const)
        expect(await stored(type, dates, (box, rows) => cluster.copyFrom(box, { format }, rows))).toEqual(
          expected,
        );
    }
  });
});

describe('lists for a JSON column', () => {
  const values = [[1, 'a', null], [], [{ a: 1 }]];
  const expected = [...values.map((value) => JSON.stringify(value)), null].map((value, n) => ({ n, value }));
  const ways: Readonly<Record<string, Put>> = {
    text: (box, rows) => cluster.copyFrom(box, {}, rows),
    binary: (box, rows) => cluster.copyFrom(box, { format: 'binary' }, rows),
    insertMany: (box, rows) => cluster.insertMany(box, rows),
  };
  it.each(Object.entries(ways))('are JSON by %s', async (_, put) => {
    expect(await stored('json', values, put)).toEqual(expected);
  });
});

describe('what a type does not take', () => {
  it.each(Object.keys(TEXT_ONLY))('is refused for %s as binary, with the way out', async (type) => {
    const box = await emptyBox(type);
    await expect(cluster.copyFrom(box, { format: 'binary' }, [[1, null]])).rejects.toMatchObject({
      code: 'BULK_INPUT',
      message: expect.stringMatching(
        /column "value" is of type .*, which can't be sent as binary; use format: 'text'/,
      ),
    });
  });

  it.each([
    ['int', 2 ** 31],
    ['int', 1.5],
    ['int', 'five'],
    ['bigint', 2n ** 63n],
    ['boolean', 'yes'],
    ['double precision', 'x'],
    ['numeric', '1.2.3'],
    ['uuid', 'nothing'],
    ['bytea', 'plain'],
    ['date', '2023-02-29'],
    ['timestamptz', '2024-01-01T00:00:00Z'],
    ['timestamptz', new Date(NaN)],
    ['int[]', 5],
    ['int[]', [[1], [2, 3]]],
    ['int[]', [1, [2]]],
  ])('names the row and the column, as binary for %s: %s', async (type, value) => {
    const box = await emptyBox(type);
    await expect(
      cluster.copyFrom(box, { format: 'binary' }, [
        [1, null],
        [2, value],
      ]),
    ).rejects.toMatchObject({
      code: 'BULK_INPUT',
      message: expect.stringMatching(/^row 2, column "value": /),
    });
  });
});
