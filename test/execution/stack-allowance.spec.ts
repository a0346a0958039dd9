import { expect, test } from 'vitest';
import { StackAllowance } from '../../lib/execution/stack-allowance.js';

test.each([
  { what: 'every one of those that come at leisure', everyMs: 10, all: 5_000, allowed: 5_000 },
  { what: 'a hundred at once', everyMs: 0.001, all: 1_000, allowed: 100 },
  { what: 'a hundred a second of many more, and the hundred', everyMs: 0.1, all: 100_000, allowed: 1_100 },
])('$what', ({ everyMs, all, allowed }) => {
  const allowance = new StackAllowance();
  const times = Array.from({ length: all }, (_, index) => 1_000 + index * everyMs);
  const count = times.filter((now) => allowance.allows(now)).length;
  expect(Math.abs(count - allowed)).toBeLessThanOrEqual(1);
});

test('after a quiet time there is a burst again, and no greater one', () => {
  const allowance = new StackAllowance();
  const burst = (now: number) =>
    Array.from({ length: 500 }, () => allowance.allows(now)).filter(Boolean).length;
  expect([0, 0, 500, 10_000, 10_000].map(burst)).toEqual([100, 0, 50, 100, 0]);
});
