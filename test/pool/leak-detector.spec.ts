import { describe, expect, test } from 'vitest';
import { ManualClock } from 'nestjs-pg-mcp/testing';
import { LeakDetector, type Hold } from '../../lib/pool/leak-detector.js';

class Held implements Hold {
  isSettled = false;

  constructor(readonly name: string) {}

  settle(): void {
    this.isSettled = true;
  }
}

function scene(thresholdMs: number) {
  const clock = new ManualClock();
  const told: string[] = [];
  const detector = new LeakDetector<Held>(clock, thresholdMs, (hold, finding, heldMs, isFirst) => {
    told.push(`${clock.now()}: ${hold.name} ${finding} for ${heldMs}${isFirst ? '' : ', again'}`);
  });
  return { clock, told, detector, a: new Held('a'), b: new Held('b') };
}

type Scene = ReturnType<typeof scene>;
type Step = [atMs: number, act: (scene: Scene) => void];

const takes = (who: 'a' | 'b') => (s: Scene) => s.detector.taken(s[who]);
const returns = (who: 'a' | 'b') => (s: Scene) => s.detector.givenBack(s[who]);
const drops = (who: 'a' | 'b') => (s: Scene) => void s.detector.collected(s[who]);
const ends = (s: Scene) => s.detector.end();

describe('what is told, with a threshold of 5 s', () => {
  test.each<[string, Step[], string[]]>([
    [
      'nothing of one that comes back in time',
      [
        [0, takes('a')],
        [4_999, returns('a')],
      ],
      [],
    ],
    ['one that is held past it, once', [[0, takes('a')]], ['5000: a held for 5000']],
    [
      'that it comes back late',
      [
        [0, takes('a')],
        [7_000, returns('a')],
      ],
      ['5000: a held for 5000', '7000: a recovered for 7000, again'],
    ],
    [
      'each at its own time',
      [
        [0, takes('a')],
        [300, takes('b')],
        [5_100, returns('a')],
      ],
      ['5000: a held for 5000', '5100: a recovered for 5100, again', '5300: b held for 5000'],
    ],
    [
      'one that is taken while nothing else is held any more',
      [
        [0, takes('a')],
        [2_000, returns('a')],
        [2_500, takes('b')],
      ],
      ['7500: b held for 5000'],
    ],
    [
      'one that is dropped',
      [
        [0, takes('a')],
        [300, drops('a')],
      ],
      ['300: a collected for 300'],
    ],
    [
      'one that is dropped after it was told of',
      [
        [0, takes('a')],
        [6_000, drops('a')],
        [6_500, returns('a')],
      ],
      ['5000: a held for 5000', '6000: a collected for 6000, again'],
    ],
    [
      'nothing of one that was given back before it is garbage',
      [
        [0, takes('a')],
        [9, returns('a')],
        [10, drops('a')],
      ],
      [],
    ],
    [
      'what is held at the end, and nothing more',
      [
        [0, takes('a')],
        [1_000, takes('b')],
        [5_500, ends],
        [6_500, returns('b')],
      ],
      ['5000: a held for 5000', '5500: a open for 5500, again', '5500: b open for 4500'],
    ],
    [
      'nothing of one that was forgotten',
      [
        [0, takes('a')],
        [10, (s) => s.detector.forget(s.a)],
        [6_000, returns('a')],
      ],
      [],
    ],
  ])('%s', async (_, steps, expected) => {
    const s = scene(5_000);
    for (const [at, act] of steps) {
      s.clock.advanceSync(at - s.clock.now());
      act(s);
    }
    s.clock.advanceSync(20_000 - s.clock.now());
    expect(s.told).toEqual(expected);
  });
});

test('a threshold below a second is kept to the millisecond', () => {
  const { clock, detector, told, a, b } = scene(200);
  detector.taken(a);
  clock.advanceSync(150);
  detector.taken(b);
  clock.advanceSync(1_000);
  expect(told).toEqual(['200: a held for 200', '350: b held for 200']);
});

test('after a quarter of a second, and when it is told of, a hold lets go of what it refers to', () => {
  const { clock, detector, a, b } = scene(5_000);
  detector.taken(a);
  clock.advanceSync(249);
  detector.taken(b);
  expect(a.isSettled).toBe(false);
  clock.advanceSync(1);
  expect([a.isSettled, b.isSettled]).toEqual([true, false]);
  detector.collected(b);
  expect(b.isSettled).toBe(true);
});

test('so does one that is taken while another is held for long', () => {
  const { clock, detector, a, b } = scene(60_000);
  detector.taken(a);
  clock.advanceSync(2_000);
  detector.taken(b);
  clock.advanceSync(250);
  expect(b.isSettled).toBe(true);
  expect(clock.pending).toBe(1);
});

test('there is a timer only while something is left to tell', () => {
  const { clock, detector, a, b } = scene(5_000);
  expect(clock.pending).toBe(0);
  detector.taken(a);
  detector.taken(b);
  expect(clock.pending).toBe(1);
  detector.givenBack(b);
  clock.advanceSync(5_000);
  // It is held, and told of.
  expect(clock.pending).toBe(0);
  detector.taken(b);
  detector.end();
  expect(clock.pending).toBe(0);
});

test('one that comes back since another was told of is not told of', () => {
  const clock = new ManualClock();
  const told: string[] = [];
  const [a, b] = [new Held('a'), new Held('b')];
  const detector = new LeakDetector<Held>(clock, 5_000, ({ name }, finding) => {
    told.push(`${name} ${finding}`);
    detector.givenBack(b);
  });
  detector.taken(a);
  detector.taken(b);
  clock.advanceSync(5_000);
  expect(told).toEqual(['a held']);
});
