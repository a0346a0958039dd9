import { describe, expect, test } from 'vitest';
import { pick, type Candidate } from '../../lib/balancing/pick.js';
import type { Balance } from '../../lib/config/settings.js';

const BALANCES: readonly Balance[] = ['least-loaded', 'round-robin', 'random', 'weighted'];

/** `a2@3~20>5*0.1!`: node a, weight 2, three calls in flight, answers in 20 ms, 5 of it still held, a tenth warm, near; `+` gathers. */
function candidates(...texts: string[]): Candidate[] {
  return texts.map((text) => {
    const parts = /^([a-z]+)([\d.]+)?(?:@(\d+))?(?:~([\d.]+))?(?:>([\d.]+))?(?:\*([\d.]+))?(!)?(\+)?$/.exec(
      text,
    );
    if (!parts) throw new Error(`no candidate: ${text}`);
    const [, node = '', weight = '1', inFlight = '0', latency, held = latency, warmth = '1', near, gathers] =
      parts;
    return {
      node,
      weight: Number(weight),
      inFlight: Number(inFlight),
      latencyMs: latency === undefined ? undefined : Number(latency),
      heldMs: held === undefined ? undefined : Number(held),
      warmth: Number(warmth),
      isNear: near !== undefined,
      isGathering: gathers !== undefined,
    };
  });
}

/** Gives the numbers one after the other, then the last for ever. */
function chance(turn: number, ...numbers: number[]) {
  let next = 0;
  return { nextTurn: () => turn, random: () => numbers[Math.min(next++, numbers.length - 1)] ?? 0 };
}

const almostOne = 1 - Number.EPSILON / 2;

describe.each(BALANCES)('%s', (balance) => {
  test('of none is none, of one is that one', () => {
    expect(pick([], balance, chance(0, 0))).toBeUndefined();
    expect(pick(candidates('a'), balance, chance(7, almostOne))?.node).toBe('a');
  });

  test('passes over weight 0 while others can', () => {
    for (const random of [0, 0.3, 0.7, almostOne])
      expect(pick(candidates('a0', 'b1@99', 'c0'), balance, chance(1, random))?.node).toBe('b');
  });

  test('spreads over those of weight 0 when there are no others', () => {
    const chosen = new Set<string | undefined>();
    for (let turn = 0; turn < 60; turn++) {
      const random = (turn % 12) / 12;
      chosen.add(pick(candidates('a0', 'b0', 'c0'), balance, chance(turn, random, (turn % 5) / 5))?.node);
    }
    expect([...chosen].toSorted()).toEqual(['a', 'b', 'c']);
  });

  test('takes those of the zone while one of them can', () => {
    for (const random of [0, 0.3, 0.7, almostOne])
      expect(pick(candidates('a', 'b@99~99!', 'c'), balance, chance(1, random))?.node).toBe('b');
  });

  test('takes another zone rather than one of weight 0', () => {
    expect(pick(candidates('a', 'b0!'), balance, chance(1, almostOne))?.node).toBe('a');
  });

  test.each([
    [0.099, 'b'],
    [0.101, 'a'],
  ])('one that is a tenth warm takes part in a tenth of the choices: at %d', (random, node) => {
    expect(pick(candidates('a', 'b*0.1!'), balance, chance(0, random))?.node).toBe(node);
  });

  test('chooses among those that start slowly when there are no others', () => {
    for (const random of [0, almostOne])
      expect(pick(candidates('a*0.1', 'b*0.1'), balance, chance(1, random))).toBeDefined();
  });

  test('always finds one, at both ends of chance', () => {
    for (const random of [0, almostOne])
      expect(pick(candidates('a0.1', 'b0.2', 'c0.3'), balance, chance(2 ** 53, random))).toBeDefined();
  });
});

test.each<[Balance, string[], number, number[], string]>([
  ['round-robin', ['a', 'b', 'c'], 0, [], 'a'],
  ['round-robin', ['a', 'b', 'c'], 4, [], 'b'],
  ['random', ['a', 'b', 'c'], 0, [0], 'a'],
  ['random', ['a', 'b', 'c'], 0, [0.34], 'b'],
  ['random', ['a', 'b', 'c'], 0, [almostOne], 'c'],
  ['weighted', ['a1', 'b3'], 0, [0.249], 'a'],
  ['weighted', ['a1', 'b3'], 0, [0.25], 'b'],
  ['weighted', ['a1', 'b3'], 0, [almostOne], 'b'],
  // The first number takes one of them, the second another of the rest.
  ['least-loaded', ['a@5', 'b@1', 'c@0'], 0, [0, 0], 'b'],
  ['least-loaded', ['a@5', 'b@1', 'c@0'], 0, [0, 0.49], 'b'],
  ['least-loaded', ['a@5', 'b@1', 'c@0'], 0, [0, 0.5], 'c'],
  ['least-loaded', ['a@5', 'b@1', 'c@0'], 0, [0.4, 0], 'b'],
  ['least-loaded', ['a@5', 'b@1', 'c@0'], 0, [almostOne, 0], 'c'],
  ['least-loaded', ['a@2', 'b@2'], 0, [0, 0], 'a'],
  ['least-loaded', ['a@2', 'b@2'], 0, [almostOne, 0], 'b'],
  ['least-loaded', ['a4@3', 'b1@1'], 0, [0, 0], 'a'],
  ['least-loaded', ['a4@8', 'b1@1'], 0, [0, 0], 'b'],
  // Idle ones tie, so the draw gives them their shares.
  ['least-loaded', ['a1', 'b3'], 0, [0.249, 0], 'a'],
  ['least-loaded', ['a1', 'b3'], 0, [0.25, 0], 'b'],
  // In proportion, whatever the unit of the weights.
  ['least-loaded', ['a100@1', 'b300@2'], 0, [0, 0], 'b'],
  ['least-loaded', ['a100@1', 'b300@4'], 0, [almostOne, 0], 'a'],
  // Equally fast, give or take: the less busy.
  ['least-loaded', ['a@1~1', 'b~1.9'], 0, [0, 0], 'b'],
  ['least-loaded', ['a@1~20', 'b~30'], 0, [0, 0], 'b'],
  ['least-loaded', ['a@1~0.1', 'b~0.6'], 0, [0, 0], 'b'],
  // Slower: not unless the other is much busier. (8 + 2) / (3 + 2) = 2, and its cube is 8.
  ['least-loaded', ['a@1~20', 'b~43'], 0, [0, 0], 'a'],
  ['least-loaded', ['a@7~3', 'b~8.1'], 0, [0, 0], 'a'],
  ['least-loaded', ['a@9~3', 'b~8.1'], 0, [0, 0], 'b'],
  ['least-loaded', ['a100@9~3', 'b100~8.1'], 0, [0, 0], 'b'],
  ['least-loaded', ['a@15~5', 'b~25'], 0, [almostOne, 0], 'a'],
  // What was forgotten of a slow one lets it be tried; of one that no longer answers, it makes it no better.
  ['least-loaded', ['a@15~3', 'b~23>9'], 0, [0, 0], 'b'],
  ['least-loaded', ['a@15~3', 'b@1~23>9'], 0, [0, 0], 'a'],
  ['least-loaded', ['a@1~3', 'b@2~3>0'], 0, [0, 0], 'a'],
  // Nothing known of one: the less busy.
  ['least-loaded', ['a@1~1', 'b'], 0, [0, 0], 'b'],
  ['least-loaded', ['a~99', 'b@1'], 0, [almostOne, 0], 'a'],
  // A packet under way takes it along, unless that is for a slow one, or for one that is not to be chosen.
  ['least-loaded', ['a@3+', 'b', 'c'], 0, [almostOne, 0], 'a'],
  ['least-loaded', ['a@3~5+', 'b~3', 'c'], 0, [almostOne, 0], 'a'],
  ['least-loaded', ['a@1~20+', 'b@1~3', 'c~20'], 0, [0, 0], 'b'],
  ['least-loaded', ['a@1~20+', 'b@1~3', 'c~20'], 0, [0, almostOne], 'c'],
  ['least-loaded', ['a0+', 'b@9', 'c@9'], 0, [0, 0], 'b'],
  ['least-loaded', ['a+', 'b@9!', 'c'], 0, [0, 0], 'b'],
  ['least-loaded', ['a*0.1+', 'b@9', 'c@9'], 0, [0.5, 0, 0], 'b'],
  ['weighted', ['a1+', 'b3'], 0, [almostOne], 'b'],
  ['round-robin', ['a+', 'b'], 1, [], 'b'],
  // Half warm, it takes half as many.
  ['least-loaded', ['a@4', 'b@1*0.5'], 0, [0, almostOne, 0], 'b'],
  ['least-loaded', ['a@4', 'b@3*0.5'], 0, [0, almostOne, 0], 'a'],
])('%s of %j at turn %i by %j is %s', (balance, texts, turn, numbers, node) => {
  expect(pick(candidates(...texts), balance, chance(turn, ...numbers))?.node).toBe(node);
});

test.each<[Balance, Record<string, number>]>([
  ['random', { a: 1 / 3, b: 1 / 3, c: 1 / 3 }],
  ['round-robin', { a: 1 / 3, b: 1 / 3, c: 1 / 3 }],
  ['weighted', { a: 1 / 6, b: 2 / 6, c: 3 / 6 }],
  ['least-loaded', { a: 1 / 6, b: 2 / 6, c: 3 / 6 }],
])('%s gives each its share', (balance, shares) => {
  const counts: Record<string, number> = {};
  const times = 6_000;
  for (let turn = 0; turn < times; turn++) {
    const { node = '' } =
      pick(candidates('a1', 'b2', 'c3'), balance, chance(turn, (turn + 0.5) / times)) ?? {};
    counts[node] = (counts[node] ?? 0) + 1;
  }
  for (const [node, share] of Object.entries(shares)) expect(counts[node]).toBeCloseTo(share * times, -1);
});
