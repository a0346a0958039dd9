import { beforeAll, expect, test } from 'vitest';
import { Classifier } from '../../lib/routing/classifier.js';
import { shapeOf } from '../../lib/routing/statement/shape.js';
import { products, readCorpus } from './corpus/corpus.js';
import { smallCatalog } from './small-catalog.js';

let classifier: Classifier;

beforeAll(async () => {
  classifier = await Classifier.create();
  classifier.use(smallCatalog());
});

test.each([
  ['SELECT a FROM t WHERE id = 42', 'SELECT a FROM t WHERE id = 0'],
  [`SELECT a FROM t WHERE "n" = 'it''s' AND b <> 7`, `SELECT a FROM t WHERE "n" = '' AND b <> 0`],
  ['SELECT a FROM t WHERE id IN (1, 22,333)', 'SELECT a FROM t WHERE id IN (0)'],
  [
    `select a from t where n in ('x', 'y') limit 10 offset 20;`,
    `select a from t where n in ('') limit 0 offset 0;`,
  ],
  [`UPDATE t SET a = 'x' WHERE id >= 5`, `UPDATE t SET a = '' WHERE id >= 0`],
  [`SELECT f(a = 'x', 3)`, `SELECT f(a = '', 3)`],
])('%s', (text, shape) => {
  expect(shapeOf(text)).toBe(shape);
});

test.each([
  ['what a function is given', `SELECT set_config('work_mem', '1MB', false), lower('x')`],
  ['a named argument', `SELECT f(a => 'x', b := 'y')`],
  ['a number that may be of another type', 'SELECT a FROM t WHERE id = 4294967296 OR id = 1.5'],
  ['a sign', 'SELECT a FROM t WHERE id = -1'],
  ['a cast', `SELECT a FROM t WHERE d = '2026-01-01'::date`],
  ['what an operator goes on with', 'SELECT a FROM t WHERE id = 1 + f(2)'],
  ['another operator', `SELECT a FROM t WHERE tags @> '{a}' AND n ~ 'x'`],
  ['a list of several kinds', `SELECT a FROM t WHERE id IN (1, 'x')`],
  ['a list with an expression', 'SELECT a FROM t WHERE id IN (1, f(2))'],
  ['a comment', 'SELECT a FROM t WHERE id = 1 -- or 2'],
  ['a comment within', 'SELECT a FROM t WHERE id = /* one */ 1'],
  ['a text with escapes', `SELECT a FROM t WHERE n = E'\\x41' AND m = 'x'`],
  ['a text with Unicode escapes', `SELECT a FROM t WHERE n = U&'\\0041' AND m = 'x'`],
  ['a backslash, which some servers read otherwise', `SELECT a FROM t WHERE n = '\\' AND m = 'x'`],
  ['a text in dollars', `SELECT $$ a = 'x' $$ = 'y'`],
  ['a text of two parts', `SELECT a FROM t WHERE n = 'x'\n'y'`],
  ['white space that is part of a name', 'SELECT a FROM t LIMIT\u00a05'],
  ['a NUL, which no server takes', `SELECT a FROM t WHERE n = 'x\0y'`],
  ['a NUL in a name', `SELECT "a\0b" FROM t WHERE n = 'x'`],
  [
    'what is given to a function that is named like a word of the language',
    `SELECT public.in('x'), f.limit 5`,
  ],
  ['a text that does not end', `SELECT a FROM t WHERE n = 'x AND id = 1`],
  ['what sets', `SET default_transaction_read_only = 'off'`],
  ['what explains', 'EXPLAIN (ANALYZE) SELECT a FROM t WHERE id = 1'],
])('%s stays', (_, text) => {
  expect(shapeOf(text)).toBe(text);
});

test('a text and its shape are of one class, whatever it is', () => {
  const texts = [...['tricky', 'ordinary', 'session', 'superuser'].flatMap(readCorpus), ...products()];
  const shaped = texts
    .map(({ text }) => [text, shapeOf(text)] as const)
    .filter(([text, shape]) => text !== shape);
  expect(shaped.length).toBeGreaterThan(100);
  for (const [text, shape] of shaped) expect([text, classOf(text)]).toEqual([text, classOf(shape)]);
});

test('texts of a shape are classified once', () => {
  const text = (id: number) => `SELECT lower(name) FROM users WHERE id = ${id}`;
  expect(classifier.classify(text(1))).toBe(classifier.classify(text(2)));
  classifier.keepFromReplicas(text(3));
  expect(classifier.classify(text(4))).toMatchObject({ kind: 'primary', reason: 'refused-on-standby' });
});

/** By what names mean here; unknown ones are told with the name. */
function classOf(text: string) {
  const found = classifier.classify(text);
  // What can't be parsed is told with the place.
  return found.kind === 'primary' && found.reason === 'not-parsed' ? 'not-parsed' : found;
}
