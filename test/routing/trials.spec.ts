import { expect, test } from 'vitest';
import { Trials } from '../../lib/routing/catalog/trials.js';
import type { Obstacle } from '../../lib/routing/statement/statement-class.js';

const GUILTY: Obstacle = { kind: 'primary', reason: 'write', detail: '', writes: true };

/** Things that refer to others, of which some are guilty by themselves. */
function court(references: Readonly<Record<string, readonly string[]>>, guilty: readonly string[] = []) {
  const trials = new Trials();
  let judged = 0;
  const judge = (key: string): Obstacle | undefined =>
    trials.once(key, () => {
      judged++;
      if (guilty.includes(key)) return GUILTY;
      for (const other of references[key] ?? []) {
        const found = judge(other);
        if (found) return found;
      }
      return undefined;
    });
  return {
    trials,
    isGuilty: (key: string) => judge(key) !== undefined,
    get judged() {
      return judged;
    },
  };
}

test('what refers to itself is not held against it', () => {
  const { isGuilty } = court({ a: ['b'], b: ['a'] });
  expect([isGuilty('a'), isGuilty('b')]).toEqual([false, false]);
});

test.each([
  ['before it is known', { a: ['b', 'w'], b: ['a'] }],
  ['by a detour', { a: ['b', 'c', 'w'], b: ['c'], c: ['b', 'a'] }],
  ['by one who leans on another', { a: ['b', 'd', 'w'], b: ['c', 'a'], c: ['b'], d: ['c'] }],
  ['met twice', { a: ['b', 'b', 'c', 'w'], b: ['c'], c: ['a'] }],
])('an acquittal that leans on one who turns out guilty does not hold: %s', (_, references) => {
  const { isGuilty } = court(references, ['w']);
  const all = ['a', ...Object.keys(references)];
  expect(all.filter((key) => !isGuilty(key))).toEqual([]);
});

test('verdicts are those of the reachable, in whatever order they are asked for', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  let seed = 1;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 3_000; round++) {
    const references = Object.fromEntries(
      names.map((name) => [name, names.filter(() => random() < 0.35)] as const),
    );
    const guilty = names.filter(() => random() < 0.15);
    const reaches = (from: string, seen = new Set<string>()): boolean => {
      if (guilty.includes(from)) return true;
      seen.add(from);
      return (references[from] ?? []).some((to) => !seen.has(to) && reaches(to, seen));
    };
    const { isGuilty } = court(references, guilty);
    const asked = names.toSorted(() => random() - 0.5);
    expect([references, guilty, asked.map(isGuilty)]).toEqual([
      references,
      guilty,
      asked.map((name) => reaches(name)),
    ]);
  }
});

test.each([
  ['behind one that refers to itself', ['top', 'top', 'g0']],
  ['that all refer to all', undefined],
])('each is judged a few times only, in layers %s', (_, top) => {
  const layers = Array.from({ length: 20 }, (_, i) => `g${i}`);
  const references = Object.fromEntries(
    layers.map((name, i) => [name, top ? layers.slice(i + 1, i + 3) : layers] as const),
  );
  const all = court({ ...references, top: top ?? layers });
  expect(all.isGuilty('top')).toBe(false);
  expect(all.judged).toBe(layers.length + 1);
  for (const name of layers) expect(all.isGuilty(name)).toBe(false);
  expect(all.judged).toBe(layers.length + 1);
});

test('a trial that breaks off acquits nobody', () => {
  const { trials } = court({});
  const breakOff = () => {
    throw new RangeError('too deep');
  };
  const innocent = () => trials.once('b', () => trials.once('a', () => undefined));
  expect(() =>
    trials.once('a', () => {
      innocent();
      return breakOff();
    }),
  ).toThrow(RangeError);
  expect(trials.once('b', () => GUILTY)).toBe(GUILTY);
  expect(trials.once('a', () => GUILTY)).toBe(GUILTY);
});

test('nor does one that is gone on from', () => {
  const trials = new Trials();
  const ask = (...keys: readonly string[]) => {
    for (const key of keys) trials.once(key, () => undefined);
    return undefined;
  };
  const inner = () =>
    trials.once('b', () => {
      trials.once('c', () => ask('a', 'b'));
      throw new RangeError('too deep');
    });
  const found = trials.once('a', () => {
    expect(inner).toThrow(RangeError);
    return undefined;
  });
  expect([found, trials.once('c', () => GUILTY)]).toEqual([undefined, GUILTY]);
});
