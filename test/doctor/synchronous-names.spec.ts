import { expect, test } from 'vitest';
import { parseSynchronousNames } from '../../lib/doctor/synchronous-names.js';

test.each([
  ['*', 1, ['*']],
  ['a', 1, ['a']],
  ['a, b', 1, ['a', 'b']],
  ['2 (a, b, c)', 2, ['a', 'b', 'c']],
  ['FIRST 2 (a,b)', 2, ['a', 'b']],
  ['any 1 ( "Node 1", "say ""hi""" , c )', 1, ['Node 1', 'say "hi"', 'c']],
  ['"a, b"', 1, ['a, b']],
])('%s', (setting, count, names) => {
  expect(parseSynchronousNames(setting)).toEqual({ count, names });
});

test.each([' ', '()'])('%j names nobody', (setting) => {
  expect(parseSynchronousNames(setting)).toBeUndefined();
});
