import { describe, expect, test } from 'vitest';
import { formatDuration, parseByteSize, parseDuration } from '../lib/duration.js';

describe('a duration', () => {
  test.each<[string | number, number]>([
    ['500ms', 500],
    ['2s', 2_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['5min', 300_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    [' 2 s ', 2_000],
    ['0s', 0],
    [0, 0],
    [180, 180_000],
    [0.25, 250],
    [1.005, 1_005],
    ['0.4ms', 0],
  ])('%j is %d ms', (value, ms) => {
    expect(parseDuration(value)).toBe(ms);
  });

  test.each([
    '',
    '5',
    's',
    '-1s',
    '1 2s',
    '1e3s',
    '2 sec',
    '5M',
    '1s2s',
    `${'9'.repeat(400)}d`,
    -1,
    Number.NaN,
    Infinity,
    Number.MAX_VALUE,
  ])('%j is none', (value) => {
    expect(parseDuration(value)).toBeUndefined();
  });
});

describe('a size', () => {
  test.each<[string | number, number]>([
    ['16MiB', 16 * 1024 ** 2],
    ['1KiB', 1_024],
    ['1kB', 1_000],
    ['1KB', 1_000],
    ['2GB', 2_000_000_000],
    ['1TiB', 1024 ** 4],
    ['0.5KiB', 512],
    ['7B', 7],
    [' 1 MB ', 1_000_000],
    [0, 0],
    [1_048_576, 1_048_576],
    [1.4, 1],
  ])('%j is %d bytes', (value, bytes) => {
    expect(parseByteSize(value)).toBe(bytes);
  });

  test.each([
    '',
    '16',
    '16M',
    '16Mib',
    '1iB',
    '1kiB',
    '-1B',
    `${'9'.repeat(400)}TB`,
    -1,
    Number.NaN,
    Infinity,
  ])('%j is none', (value) => {
    expect(parseByteSize(value)).toBeUndefined();
  });
});

test.each([
  [0, '0 ms'],
  [250, '250 ms'],
  [999.4, '999 ms'],
  [999.6, '1 s'],
  [2_000, '2 s'],
  [1_540, '1.5 s'],
  [59_999, '1 min'],
  [90_000, '1.5 min'],
])('%d ms reads %j', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
