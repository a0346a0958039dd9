import { expect, test } from 'vitest';
import { warmth } from '../../lib/balancing/slow-start.js';

test.each<[string, number | undefined, number, number, number]>([
  ['there from the start', undefined, 0, 10_000, 1],
  ['just back', 5_000, 5_000, 10_000, 0.1],
  ['half through', 5_000, 10_000, 10_000, 0.55],
  ['through', 5_000, 15_000, 10_000, 1],
  ['long back', 5_000, 99_000, 10_000, 1],
  ['just back, slow start off', 5_000, 5_000, 0, 1],
  ['back by a probe that ended after this call looked at the clock', 5_000, 4_999, 10_000, 0.1],
])('a node that is %s', (_, returnedAt, now, slowStartMs, expected) => {
  expect(warmth(returnedAt, now, slowStartMs)).toBeCloseTo(expected, 10);
});
