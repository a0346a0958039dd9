import { describe, expect, it, test } from 'vitest';
import { addSample, firstSampleAfter, type PrimarySample } from '../../lib/topology/samples.js';

const sample = (at: number, { lsn = at, timeline = 1 } = {}): PrimarySample => ({
  at,
  timeline,
  lsn: BigInt(lsn),
});
const take = (...all: readonly PrimarySample[]) => all.reduce(addSample, [] as readonly PrimarySample[]);
const times = (samples: readonly PrimarySample[]) => samples.map(({ at }) => at);

describe('the first sample after a time', () => {
  test.each<[readonly number[], number | undefined, number | undefined]>([
    [[], 0, undefined],
    [[], undefined, undefined],
    [[10], undefined, 10],
    [[10], 9, 10],
    [[10], 10, undefined],
    [[10], 11, undefined],
    [[10, 20], undefined, 10],
    [[10, 20], 9, 10],
    [[10, 20], 10, 20],
    [[10, 20], 19, 20],
    [[10, 20], 20, undefined],
    [[10, 20, 30], 10, 20],
    [[10, 20, 30], 15, 20],
    [[10, 20, 30], 29, 30],
    // Two that began in one millisecond: both are later, or none.
    [[10, 10, 20], 10, 20],
    [[10, 20, 20], 10, 20],
  ])('of %j after %s is %s', (sampled, time, found) => {
    expect(
      firstSampleAfter(
        sampled.map((at) => sample(at)),
        time,
      )?.at,
    ).toBe(found);
  });

  it('is found among as many as there are, at every edge', () => {
    const samples = take(...Array.from({ length: 256 }, (_, i) => sample(10 * i)));
    for (let i = 0; i < 256; i++) {
      expect(firstSampleAfter(samples, 10 * i - 1)?.at).toBe(10 * i);
      expect(firstSampleAfter(samples, 10 * i)?.at).toBe(i === 255 ? undefined : 10 * (i + 1));
    }
  });

  it('is of the earlier position, where several were asked for at one time', () => {
    const samples = take(sample(20, { lsn: 5 }), sample(20, { lsn: 9 }));
    expect(firstSampleAfter(samples, 10)?.lsn).toBe(5n);
  });
});

describe('samples', () => {
  it('are kept in order, the oldest beyond 256 forgotten', () => {
    const samples = take(...Array.from({ length: 300 }, (_, i) => sample(i)));
    expect(times(samples)).toEqual(Array.from({ length: 256 }, (_, i) => i + 44));
  });

  it('are kept though the position stands still: each is later', () => {
    expect(times(take(sample(1, { lsn: 5 }), sample(2, { lsn: 5 })))).toEqual([1, 2]);
  });

  it.each([
    ['another timeline', sample(3, { timeline: 2 })],
    ['an older timeline', sample(3, { timeline: 0 })],
    ['an earlier position', sample(3, { lsn: 1 })],
  ])('begin anew with %s', (_what, next) => {
    expect(take(sample(1), sample(2), next)).toEqual([next]);
  });

  it('are replaced, not changed', () => {
    const before = take(sample(1));
    addSample(before, sample(2));
    expect(times(before)).toEqual([1]);
  });
});
