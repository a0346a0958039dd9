import { describe, expect, test } from 'vitest';
import { formatLsn, lsnDistance, parseLsn } from '../lib/lsn.js';

describe('a WAL position', () => {
  test.each<[string, bigint]>([
    ['0/0', 0n],
    ['0/1', 1n],
    ['0/FFFFFFFF', 0xffff_ffffn],
    ['1/0', 0x1_0000_0000n],
    ['16/B374D848', 0x16_b374_d848n],
    ['FFFFFFFF/FFFFFFFF', 2n ** 64n - 1n],
  ])('%s is byte %d and reads the same again', (text, lsn) => {
    expect(parseLsn(text)).toBe(lsn);
    expect(formatLsn(lsn)).toBe(text);
  });

  test.each([
    ['16/b374d848', '16/B374D848'],
    ['00000001/0000000A', '1/A'],
  ])('%s is the same as %s', (text, canonical) => {
    expect(formatLsn(parseLsn(text))).toBe(canonical);
  });

  test.each(['', '0', '0/', '/0', '0/0/0', '0/G', '123456789/0', ' 0/1', '0/1\n', '-1/0', '0x1/0'])(
    '%j is none',
    (text) => {
      expect(() => parseLsn(text)).toThrow(TypeError);
    },
  );
});

test.each<[string, string, number]>([
  ['0/10', '0/4', 12],
  ['1/0', '0/FFFFFFFF', 1],
  ['0/4', '0/4', 0],
  ['0/4', '0/10', 0],
])('%s is ahead of %s by %d bytes', (ahead, behind, bytes) => {
  expect(lsnDistance(parseLsn(ahead), parseLsn(behind))).toBe(bytes);
});
