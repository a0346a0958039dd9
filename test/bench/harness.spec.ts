import { expect, test } from 'vitest';
import { compared } from './harness/comparison.js';
import { hold, type Contestant, type Sample } from './harness/contest.js';
import { growthTable, sampleName } from './harness/growth.js';
import { quantile, spreadOf, written } from './harness/statistics.js';
import { asMarkdown, asText } from './harness/table.js';

test.each([
  { values: [3, 1, 2], spread: { median: 2, low: 1, high: 3 } },
  { values: [4, 1, 3, 2], spread: { median: 2.5, low: 1, high: 4 } },
  { values: [7], spread: { median: 7, low: 7, high: 7 } },
])('the spread of $values', ({ values, spread }) => {
  expect(spreadOf(values)).toEqual(spread);
});

test('a quantile is one of the values', () => {
  const sorted = Array.from({ length: 100 }, (_, i) => i + 1);
  expect([0.5, 0.99, 1].map((share) => quantile(sorted, share))).toEqual([51, 100, 100]);
});

test('what was not measured is a dash', () => {
  expect(written([undefined], 1)).toBe('–');
  expect(written([1, undefined, 2], 1)).toBe('1.5 (1.0–2.0)');
});

test('ratios are to the same round, so a slow round changes none of them', async () => {
  const speeds = (name: string, perRound: readonly number[]): Contestant => {
    let turn = 0;
    return {
      name,
      label: name,
      every: 1,
      measure: async () => ({ calls: 1, perSecond: perRound[turn++ % perRound.length] ?? NaN }),
    };
  };
  const failing: Contestant = {
    name: 'broken',
    label: 'broken',
    every: 1,
    measure: () => Promise.reject(new Error('it is not installed')),
  };
  const contestants = [speeds('slow', [100, 10, 40]), speeds('fast', [200, 20, 80]), failing];
  const outcome = await hold({ contestants, levels: [1], rounds: 4 });
  const table = compared(outcome, [1], { title: 'speed', unit: 'calls/s', reference: 'slow' });
  expect(table.rows.map((row) => [row[0], row[6]])).toEqual([
    ['slow', '1'],
    ['fast', '2.00 (2.00–2.00)'],
    ['broken', undefined],
  ]);
  expect(table.notes).toEqual(['broken: it is not installed']);
});

test('all warm up at the last level and once at each, which does not count', async () => {
  const asked: number[] = [];
  const measure = async (level: number) => {
    asked.push(level);
    return { calls: 1, perSecond: 1 };
  };
  const contestant: Contestant = { name: 'one', label: 'one', every: 1, measure };
  const { samples } = await hold({ contestants: [contestant], levels: [1, 16], rounds: 1, warmUps: 3 });
  expect(asked).toEqual([16, 16, 1, 16, 1, 16]);
  expect(samples.map(({ level, round }) => [level, round])).toEqual([
    [1, 0],
    [16, 0],
  ]);
});

test('a curve bends where a size costs over a quarter more than the one before', () => {
  const sample = (size: number, round: number, cpu: number): Sample => {
    return { name: sampleName('ours', size), level: 1, round, figures: { calls: 1, perSecond: 1, cpu } };
  };
  const samples = [
    ...[10, 30].map((cpu, round) => sample(1, round, cpu)),
    ...[12, 36].map((cpu, round) => sample(2, round, cpu)),
    ...[18, 54].map((cpu, round) => sample(4, round, cpu)),
  ];
  const series = { name: 'ours', label: 'ours', sizes: [1, 2, 4] };
  const outcome = { contestants: [], samples, failures: {} };
  expect(growthTable('nodes', [series], outcome).notes).toEqual([
    'ours: bends upward at 4: 1.50 (1.50–1.50) × of the size before',
  ]);
});

test('a table as text and as Markdown', () => {
  const table = { title: 'Reads', columns: ['', 'a|b'], rows: [['`pool`', '1']], notes: ['a note'] };
  expect(asText(table)).toBe('\nReads\n\n      a|b\n----  ---\npool    1\n  a note');
  expect(asMarkdown(table)).toBe('\n**Reads**\n\n|  | a\\|b |\n| --- | ---: |\n| `pool` | 1 |\n\n- a note');
});
