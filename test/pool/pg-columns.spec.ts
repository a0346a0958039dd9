import type { FieldDef } from 'pg';
import { expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { DescribedColumns } from '../../lib/pool/pg-columns.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import { freshDatabase } from '../support/cluster.js';
import { sure } from '../support/sure.js';

const ID: FieldDef = {
  name: 'id',
  tableID: 16_400,
  columnID: 1,
  dataTypeID: 23,
  dataTypeSize: 4,
  dataTypeModifier: -1,
  format: 'text',
};
const NAME: FieldDef = { ...ID, name: 'name', columnID: 2, dataTypeID: 25, dataTypeSize: -1 };
const KNOWN = { fields: [ID, NAME], emptyRow: { id: null, name: null } };

test.each<[string, FieldDef[], boolean]>([
  ['the same columns', [{ ...ID }, { ...NAME }], true],
  ['fewer', [ID], false],
  ['more', [ID, NAME, NAME], false],
  ['in another order', [NAME, ID], false],
  ['another name', [ID, { ...NAME, name: 'names' }], false],
  ['another type', [{ ...ID, dataTypeID: 20 }, NAME], false],
  ['another size', [{ ...ID, dataTypeSize: 8 }, NAME], false],
  ['another modifier', [ID, { ...NAME, dataTypeModifier: 14 }], false],
  ['another table', [ID, { ...NAME, tableID: 16_401 }], false],
  ['another place in the table', [ID, { ...NAME, columnID: 3 }], false],
  ['another format', [ID, { ...NAME, format: 'binary' }], false],
])('%s: %#', (_, fields, isFound) => {
  const described = new DescribedColumns();
  described.keep(KNOWN);
  expect(described.find(fields)).toBe(isFound ? KNOWN : undefined);
});

test('those that came last are known', () => {
  const described = new DescribedColumns();
  const fields = (i: number) => [{ ...ID, name: `id${i}` }];
  for (let i = 0; i < 40; i++) described.keep({ fields: fields(i), emptyRow: {} });
  const known = Array.from({ length: 40 }, (_, i) => i).filter((i) => described.find(fields(i)));
  expect(known).toEqual(Array.from({ length: 16 }, (_, i) => 24 + i));
});

test('rows of texts that differ are read as if each were described for the first time', async () => {
  const { config, name: database } = await freshDatabase();
  const { host, port, user, password } = sure(config.masters[0]);
  const connection = await pgDriver.connect(
    {
      node: 'node1',
      host,
      port,
      user,
      password,
      database,
      ssl: false,
      readOnly: false,
      applicationName: 'described columns',
      connectionTimeoutMs: 5_000,
    },
    systemClock,
  );
  const asWritten = { getTypeParser: () => (value: unknown) => `<${String(value)}>` };
  try {
    const ask = async (text: string, how = {}) => (await connection.query({ text, ...how })).rows;
    expect(await ask("SELECT 1 AS a, 'x' AS b")).toEqual([{ a: 1, b: 'x' }]);
    expect(await ask("SELECT 2 AS a, 'y' AS b")).toEqual([{ a: 2, b: 'y' }]);
    expect(await ask("SELECT '3' AS a, 'z' AS b")).toEqual([{ a: '3', b: 'z' }]);
    expect(await ask("SELECT 4 AS a, 'u' AS b", { types: asWritten })).toEqual([{ a: '<4>', b: '<u>' }]);
    expect(await ask("SELECT 5 AS a, 'v' AS b", { rowMode: 'array' })).toEqual([[5, 'v']]);
    expect(await ask("SELECT 6 AS a, 'w' AS b UNION ALL SELECT 7, NULL")).toEqual([
      { a: 6, b: 'w' },
      { a: 7, b: null },
    ]);
    const several: unknown = await connection.query("SELECT 8 AS a, 'p' AS b; SELECT 9 AS a, 'q' AS b");
    expect(several).toMatchObject([{ rows: [{ a: 8, b: 'p' }] }, { rows: [{ a: 9, b: 'q' }] }]);
  } finally {
    await connection.end();
  }
});
