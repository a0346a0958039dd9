import { describe, expect, test } from 'vitest';
import { KnownText } from '../../lib/pool/known-texts.js';
import { Pace } from '../../lib/pool/pace.js';
import { seeded } from '../support/seeded.js';

/** So long took a call that was sent when the one before it was answered. */
const first = (pace: Pace, tookMs: number, calls = 1) =>
  pace.ofFirst({ sentAt: 0, answeredAt: tookMs, calls });
const times = (count: number, ms: number) => Array.from({ length: count }, () => ms);

function after(...calls: readonly number[]): Pace {
  const pace = new Pace();
  for (const ms of calls) first(pace, ms);
  return pace;
}

describe('what a call took for itself', () => {
  test.each<[string, readonly number[], number, number | undefined]>([
    ['the first one', [], 30, undefined],
    ['the first one, a short one', [], 0.3, 0],
    ['a short one', [0.1], 0.3, 0.2],
    ['as long as others', times(20, 5), 6, undefined],
    ['not much longer than others', times(20, 5), 24, undefined],
    ['many times as long as others', times(20, 5), 45, 40],
    ['as long as others, of late', [...times(20, 1), ...times(100, 30)], 31, undefined],
    ['as long as others were before', [...times(100, 30), ...times(100, 1)], 31, 30],
    ['many times as long, beside one that was long', [...times(20, 1), 500], 31, 30],
  ])('%s', (_, calls, tookMs, ownMs) => {
    const own = first(after(...calls), tookMs);
    if (ownMs === undefined) expect(own).toBeUndefined();
    else expect(own).toBeCloseTo(ownMs, 0.5);
  });

  test('of several that are answered together, each its share', () => {
    expect(first(after(0.2), 2.2, 8)).toBeCloseTo(0.25, 2);
    expect(first(after(...times(20, 5)), 18, 8)).toBeUndefined();
  });
});

test('the round trip is that of the quickest of late, and slow calls on connections of their own lengthen none', () => {
  const pace = after(1, 5);
  expect(pace.roundTripMs).toBeCloseTo(1.02);
  for (let call = 0; call < 100; call++) first(pace, 9);
  expect(pace.roundTripMs).toBeGreaterThan(5);
  first(pace, 2);
  for (let call = 0; call < 100; call++) pace.ofLone({ sentAt: 0, answeredAt: 9 });
  expect(pace.roundTripMs).toBe(2);
});

describe('calls that wait for their turn', () => {
  const random = seeded(4);
  /** How long, where that is by chance and so much on average. */
  const waitMs = (meanMs: number) => -meanMs * Math.log(1 - random());

  /** The shares of calls after which a text was known as quick and as slow. */
  function shares(tookMs: () => number, calls = 5_000) {
    const [pace, known] = [new Pace(), new KnownText('SELECT 1')];
    for (let use = 0; use < 2; use++) known.used();
    let [now, quick, slow] = [0, 0, 0];
    for (let call = 0; call < calls; call++) {
      const span = { sentAt: now, answeredAt: (now += tookMs()) };
      known.took(pace.ofFirst(span), span);
      quick += Number(known.isQuick);
      slow += Number(known.isSlow);
    }
    return { quick: quick / calls, slow: slow / calls };
  }

  test.each([1, 5, 20])('on a busy server, %d ms on average, make no text a slow one', (meanMs) => {
    const { quick, slow } = shares(() => 0.05 + waitMs(meanMs));
    expect(quick).toBeGreaterThan(0.7);
    expect(slow).toBeLessThan(0.1);
  });

  test('do not hide one that takes long for itself, beside others that wait less', () => {
    const pace = new Pace();
    const [long, short] = [new KnownText('long'), new KnownText('short')];
    let now = 0;
    for (let call = 0; call < 500; call++) {
      for (const [known, ownMs] of [
        [short, 0.05],
        [short, 0.05],
        [long, 25],
      ] as const) {
        const span = { sentAt: now, answeredAt: (now += ownMs + waitMs(1)) };
        known.took(pace.ofFirst(span), span);
      }
    }
    expect([long.isSlow, short.isSlow]).toEqual([true, false]);
  });
});
