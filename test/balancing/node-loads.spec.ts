import { describe, expect, test } from 'vitest';
import { NodeLoads } from '../../lib/balancing/node-loads.js';

const AT = 1_000;

/** The expected latency after calls that took so long, one after the other; `fail` is one that failed. */
function after(took: readonly (number | 'fail')[], idleMs = 0): number | undefined {
  const loads = new NodeLoads();
  for (const each of took) {
    loads.began('a', AT);
    if (each === 'fail') loads.failed('a', AT);
    else loads.answered('a', each, AT);
    loads.ended('a');
  }
  return loads.heldMs('a', AT + idleMs);
}

const times = (count: number, took: number | 'fail') => Array.from({ length: count }, () => took);

/** Answers that took so long, until the average is that. */
const settled = (took: number) => times(150, took) as number[];

function loadsAt(took: number): NodeLoads {
  const loads = new NodeLoads();
  for (const each of settled(took)) loads.answered('a', each, AT);
  return loads;
}

describe('the latency', () => {
  test.each<[string, (number | 'fail')[], number, number | undefined]>([
    ['of none is unknown', [], 0, undefined],
    ['of the first answer is that', [1], 0, 1],
    ['of a first answer that is slow is 2 ms: it waited for what is cold', [8], 0, 2],
    ['of a slow node is there after some answers', times(12, 20), 0, 14.9],
    ['falls by an eighth of the difference', [...settled(8), 0], 0, 7],
    ['rises by an eighth of the difference', [...settled(8), 16], 0, 9],
    ['takes a report for four times as much', [...settled(8), 60_000], 0, 11],
    ['takes it for 4 ms where answers take next to nothing', [0, 60_000], 0, 0.5],
    ['has followed a node that slowed down after ten calls', [2, ...times(10, 20)], 0, 14.2],
    ['has followed a node that recovered after ten calls', [...settled(20), ...times(10, 2)], 0, 6.7],
    ['of a first failure is a second', ['fail'], 0, 1_000],
    ['is four times as much after a failure', [...settled(8), 'fail'], 0, 32],
    ['does not fall with a failure, however slow the node was', [...settled(5_000), 'fail'], 0, 5_000],
    ['is forgotten while no call is made', settled(20), 5_000, 20 / Math.E],
  ])('%s', (_, took, idleMs, expected) => {
    const latency = after(took, idleMs);
    if (expected === undefined) expect(latency).toBeUndefined();
    else expect(latency).toBeCloseTo(expected, 1);
  });

  test('is remembered while the call that tries the node again is under way', () => {
    const loads = loadsAt(20);
    loads.began('a', AT + 5_000);
    expect(loads.heldMs('a', AT + 5_000)).toBeCloseTo(20, 5);
  });

  test('is forgotten beside a call that never ends', () => {
    const loads = loadsAt(20);
    loads.began('a', AT);
    expect(loads.heldMs('a', AT + 5_000)).toBeCloseTo(20 / Math.E, 5);
  });

  test.each([
    ['as slow: it was right to remember', 20, 20],
    ['slower than what is left', 15, 15],
    ['faster than what is left: so fewer such calls convince', 0, (20 / Math.E) * (7 / 8)],
    ['slower than ever', 28, 21],
  ])('after a call that tried the node again and was %s', (_, took, expected) => {
    const loads = loadsAt(20);
    loads.began('a', AT + 5_000);
    loads.answered('a', took, AT + 5_000 + took);
    expect(loads.heldMs('a', AT + 5_000 + took)).toBeCloseTo(expected, 5);
  });

  test('itself is not forgotten: others are measured by it', () => {
    const loads = loadsAt(20);
    loads.began('a', AT + 5_000);
    expect(loads.latencyMs('a')).toBeCloseTo(20, 5);
  });

  test('of two calls at once counts both, each for less than one alone', () => {
    const loads = loadsAt(8);
    loads.began('a', AT);
    loads.began('a', AT);
    loads.answered('a', 0, AT);
    loads.answered('a', 0, AT);
    expect(loads.heldMs('a', AT)).toBeCloseTo(8 * (9 / 10) ** 2, 5);
  });
});

test('calls in flight are counted by node', () => {
  const loads = new NodeLoads();
  loads.began('a', AT);
  loads.began('a', AT);
  loads.began('b', AT);
  loads.answered('a', 1, AT);
  loads.ended('a');
  loads.failed('b', AT);
  loads.ended('b');
  expect([loads.inFlight('a'), loads.inFlight('b'), loads.inFlight('c')]).toEqual([1, 0, 0]);
});

test('a node that could not be reached is known by that', () => {
  const loads = new NodeLoads();
  loads.failed('a', AT);
  expect([loads.inFlight('a'), loads.heldMs('a', AT)]).toEqual([0, 1_000]);
});
