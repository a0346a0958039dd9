import { expect, test } from 'vitest';
import { Families } from '../../lib/routing/statement/families.js';
import type { StatementClass } from '../../lib/routing/statement/statement-class.js';

const READ: StatementClass = { kind: 'read', isQuery: true, changesCatalog: false };
const OFTEN = 9;

/** What a text is to those that begin with another one, after more of it have come. */
function memberOf(begin: string, text: string, found = READ) {
  const families = new Families();
  families.note(begin, found);
  for (let i = 0; i < OFTEN; i++) families.classOf(begin.replace(/\d+/, String(100 + i)));
  const last = families.classOf(text);
  expect(families.ofLast(text)).toBe(last);
  return last?.family;
}

test.each([
  [
    'SELECT a FROM t WHERE id = 1',
    'SELECT a FROM t WHERE id = 42',
    'SELECT a FROM t WHERE id = $1::integer',
    '42',
  ],
  [
    'select a from t where id=7;',
    'select a from t where id=007;',
    'select a from t where id=$1::integer;',
    '007',
  ],
  [
    `SELECT a FROM t WHERE n = 'x' AND id < 5 LIMIT 1`,
    `SELECT a FROM t WHERE n = 'x' AND id < 6 LIMIT 1`,
    `SELECT a FROM t WHERE n = 'x' AND id < $1::integer LIMIT 1`,
    '6',
  ],
  ['SELECT a FROM t OFFSET 20', 'SELECT a FROM t OFFSET 40', 'SELECT a FROM t OFFSET $1::integer', '40'],
])('%s and %s are %s', (begin, text, common, number) => {
  const family = memberOf(begin, text);
  expect([family?.text, family?.numberIn(text)]).toEqual([common, number]);
});

test.each([
  ['a number of another type', 'SELECT a FROM t WHERE id = 4294967296'],
  ['a fraction', 'SELECT a FROM t WHERE id = 1.5'],
  ['a sign', 'SELECT a FROM t WHERE id = -1'],
  ['more than a number', 'SELECT a FROM t WHERE id = 1 OR id = 2'],
  ['a text', `SELECT a FROM t WHERE id = '1'`],
  ['nothing', 'SELECT a FROM t WHERE id = '],
  ['a beginning of another', 'SELECT a FROM t WHERE id'],
  ['a comment', 'SELECT a FROM t WHERE id = 1 -- 2'],
])('%s in its place makes none of the family', (_, text) => {
  expect(memberOf('SELECT a FROM t WHERE id = 1', text)).toBeUndefined();
});

test.each([
  ['a text without a number', `SELECT a FROM t WHERE n = 'x'`, READ],
  ['only a list of numbers', 'SELECT a FROM t WHERE id IN (1, 2)', READ],
  ['a number that nothing compares with', 'SELECT a FROM t ORDER BY 1', READ],
  ['parameters of its own', 'SELECT a FROM t WHERE id = 1 AND b = $1', READ],
  ['what groups by sets', 'SELECT a < 3, count(*) FROM t GROUP BY GROUPING SETS ((a), (a < 3))', READ],
  ['what groups by a cube', 'SELECT count(*) FROM t WHERE id = 1 GROUP BY CUBE (a)', READ],
  ['what is no query alone', 'SELECT a FROM t WHERE id = 1', { kind: 'read', changesCatalog: false }],
  [
    'a write',
    'UPDATE t SET b = 1 WHERE id = 1',
    { kind: 'primary', reason: 'write', detail: '', writes: true, changesCatalog: false },
  ],
] satisfies [string, string, StatementClass][])('%s begins no family', (_, text, found) => {
  expect(memberOf(text, text, found)).toBeUndefined();
});

test('a number that is always the same makes no family, nor does one that was given up', () => {
  const families = new Families();
  const text = (id: number) => `SELECT a FROM t WHERE id = ${id}`;
  families.note(text(1), READ);
  for (let i = 0; i < 100; i++) expect(families.classOf(text(1))?.family).toBeUndefined();
  for (let i = 0; i < OFTEN; i++) families.classOf(text(i));
  const family = families.classOf(text(1))?.family;
  expect(family).toBeDefined();
  family?.giveUp();
  for (let i = 0; i < 100; i++) expect(families.classOf(text(i))).toBe(READ);
});

test('the last sixteen are known, until what they are may have changed', () => {
  const families = new Families();
  const text = (i: number) => `SELECT a FROM t${i} WHERE id = 1`;
  for (let i = 0; i < 40; i++) families.note(text(i), READ);
  const known = () => Array.from({ length: 40 }, (_, i) => i).filter((i) => families.classOf(text(i)));
  expect(known()).toEqual(Array.from({ length: 16 }, (_, i) => 24 + i));
  families.clear();
  expect([known(), families.ofLast(text(39))]).toEqual([[], undefined]);
});

test('after that they are known anew, wherever the turn had come to', () => {
  const families = new Families();
  for (const table of ['a', 'b', 'c']) families.note(`SELECT id FROM ${table} WHERE id = 1`, READ);
  families.clear();
  expect(families.classOf('SELECT id FROM a WHERE id = 2')).toBeUndefined();
  families.note('SELECT id FROM d WHERE id = 1', READ);
  expect(families.classOf('SELECT id FROM a WHERE id = 2')).toBeUndefined();
  expect(families.classOf('SELECT id FROM d WHERE id = 2')).toEqual(READ);
});
