import { describe, expect, test } from 'vitest';
import type { NodeFacts } from '../../lib/topology/observation.js';
import { measureLag, remember, type PrimaryHistory } from '../../lib/topology/lag.js';
import { primaryFacts, replicaFacts, Scene } from './scene.js';

const historyOf = (...samples: (readonly [lsn: number, at: number])[]) =>
  samples.reduce<PrimaryHistory>((history, [lsn, at]) => remember(history, BigInt(lsn), at), []);

describe('the history of the primary', () => {
  test('keeps one entry a position, so an idle primary costs one', () => {
    expect(historyOf([5, 1], [5, 2], [5, 9])).toEqual([{ lsn: 5n, from: 1, until: 9 }]);
  });

  test('begins anew where the position goes back: that is another log', () => {
    expect(historyOf([5, 1], [9, 2], [7, 3])).toEqual([{ lsn: 7n, from: 3, until: 3 }]);
  });

  test('keeps entries that are close together a tenth of a second apart, and the last of all', () => {
    const history = historyOf(...Array.from({ length: 31 }, (_, index) => [index, index * 20] as const));
    expect(history.at(-1)).toMatchObject({ lsn: 30n, from: 600 });
    const gaps = history.slice(1, -1).map(({ from }, index) => from - (history[index]?.from ?? 0));
    expect(gaps.length).toBeGreaterThan(4);
    expect(gaps.every((gap) => gap >= 80 && gap <= 120)).toBe(true);
  });

  test('is bounded', () => {
    const many = Array.from({ length: 3_700 }, (_, index) => [index, index * 1_000] as const);
    const history = historyOf(...many);
    expect(history.length).toBe(3_600);
    expect(history.at(-1)?.lsn).toBe(3_699n);
  });
});

describe('the lag of a replica', () => {
  const moving = historyOf([100, 1_000], [200, 2_000], [300, 3_000], [300, 6_000]);
  test.each<[string, PrimaryHistory, number, number, { bytes: number; ms: number } | undefined]>([
    ['without history', [], 100, 5_000, undefined],
    ['at the end', moving, 300, 6_500, { bytes: 0, ms: 0 }],
    ['beyond the end, which the sample had not seen yet', moving, 310, 6_500, { bytes: 0, ms: 0 }],
    ['between two samples: the earlier counts', moving, 250, 6_000, { bytes: 50, ms: 4_000 }],
    ['at a sample', moving, 200, 6_000, { bytes: 100, ms: 4_000 }],
    ['before all of it: as long as the history', moving, 50, 6_000, { bytes: 250, ms: 5_000 }],
    ['asked before the sample was taken', moving, 250, 1_500, { bytes: 50, ms: 0 }],
    [
      'behind a primary that stayed long',
      historyOf([1, 0], [1, 9_000], [2, 9_500]),
      1,
      10_000,
      { bytes: 1, ms: 1_000 },
    ],
  ])('%s', (_, history, replayed, at, lag) => {
    expect(measureLag(history, BigInt(replayed), at)).toEqual(lag);
  });
});

describe('lag in a cluster', () => {
  const lagOf = (scene: Scene, node = 'b') => {
    const { lag, isLagging } = scene.node(node);
    return { ...lag, isLagging };
  };
  const none: Partial<NodeFacts> = { receiver: 'none', timeline: undefined as unknown as number };

  test('an idle primary gives zero, however long', () => {
    const scene = new Scene().at(0).primary('a', 500).replica('b', 500);
    scene.at(3_600).primary('a', 500).replica('b', 500);
    expect(lagOf(scene)).toEqual({ bytes: 0, ms: 0, isLagging: false });
  });

  test('rises while replay is paused and the primary writes, and returns to zero', () => {
    const scene = new Scene().at(0).primary('a', 500).replica('b', 500);
    const paused = { isReplayPaused: true, receivedLsn: 900n };
    scene.at(1).primary('a', 600).replica('b', 500, paused);
    expect(lagOf(scene)).toEqual({ bytes: 100, ms: 1_000, isLagging: false });
    scene.at(9).primary('a', 900).replica('b', 500, paused);
    expect(lagOf(scene)).toEqual({ bytes: 400, ms: 9_000, isLagging: false });
    scene.at(10).replica('b', 900);
    expect(lagOf(scene)).toEqual({ bytes: 0, ms: 0, isLagging: false });
  });

  test.each<[string, number, number, boolean]>([
    ['seconds at the limit', 10, 900, false],
    ['seconds beyond the limit', 10.001, 900, true],
    ['bytes at the limit', 1, 1_500, false],
    ['bytes beyond the limit', 1, 1_501, true],
  ])('excludes: %s', (_, seconds, lsn, isLagging) => {
    const scene = new Scene().at(0).primary('a', 500).replica('b', 500);
    scene.at(seconds).primary('a', lsn).replica('b', 500);
    expect(lagOf(scene).isLagging).toBe(isLagging);
  });

  test('lets one that was out back in at half, by seconds and by bytes', () => {
    const scene = new Scene().at(0).primary('a', 0).replica('b', 0);
    scene.at(4).primary('a', 1_000);
    scene.at(5.999).primary('a', 1_100);
    scene.at(6).primary('a', 2_000);
    expect(lagOf(scene).isLagging).toBe(true);
    expect(lagOf(scene.at(7).replica('b', 1_499)).isLagging).toBe(true);
    expect(lagOf(scene.at(7).replica('b', 1_500)).isLagging).toBe(false);
    expect(lagOf(scene.at(30).replica('b', 1_500)).isLagging).toBe(true);
    scene.at(40).primary('a', 2_100);
    scene.at(41).primary('a', 2_200);
    expect(lagOf(scene.at(45.001).replica('b', 2_100)).isLagging).toBe(true);
    expect(lagOf(scene.at(45.999).replica('b', 2_100)).isLagging).toBe(true);
    scene.at(46).primary('a', 2_200);
    scene.at(47).primary('a', 2_300);
    expect(lagOf(scene.at(50.999).replica('b', 2_200)).isLagging).toBe(false);
  });

  test('of one that is cut off while the primary is up counts from when it last streamed', () => {
    const scene = new Scene().at(0).primary('a', 500).replica('b', 500);
    scene.at(10).primary('a', 500).replica('b', 500, none);
    expect(lagOf(scene)).toEqual({ bytes: 0, ms: 10_000, isLagging: false });
    scene.at(11).primary('a', 500).replica('b', 500, none);
    expect(lagOf(scene)).toEqual({ bytes: 0, ms: 11_000, isLagging: true });
    expect(lagOf(scene.at(12).replica('b', 500))).toEqual({ bytes: 0, ms: 0, isLagging: false });
  });

  test.each<[NodeFacts['receiver'], number]>([
    ['streaming', 0],
    ['connected', 0],
    ['none', 5_000],
    ['waiting', 5_000],
    ['starting', 5_000],
    ['restarting', 5_000],
    ['stopping', 5_000],
    [undefined, 0],
  ])('takes a receiver that is %s for cut off since %i ms', (receiver, ms) => {
    const scene = new Scene().at(0).primary('a', 500).replica('b', 500);
    const { receiver: _, ...facts } = { inRecovery: true, replayedLsn: 500n, receiver: undefined };
    scene
      .at(5)
      .primary('a', 500)
      .probed('b', receiver === undefined ? facts : { ...facts, receiver });
    expect(lagOf(scene).ms).toBe(ms);
  });

  test('counts slow probes against the replica: the primary’s from its start, the replica’s to its end', () => {
    const slow = { kind: 'probed', startedAt: 1_000, endedAt: 3_000 } as const;
    const scene = new Scene().at(0).replica('b', 500);
    scene
      .see({ ...slow, node: 'a', facts: primaryFacts(500) })
      .at(4)
      .primary('a', 600);
    scene.see({ ...slow, node: 'b', startedAt: 4_000, endedAt: 5_000, facts: replicaFacts(500) });
    expect(lagOf(scene)).toEqual({ bytes: 100, ms: 4_000, isLagging: false });
  });

  test('of one first seen cut off counts from then', () => {
    const scene = new Scene().at(7).primary('a', 500).replica('b', 500, none);
    expect(lagOf(scene).ms).toBe(0);
    expect(lagOf(scene.at(9).replica('b', 500, none)).ms).toBe(2_000);
  });

  test('excludes nobody for want of a primary: cut off or behind what nobody can send any more', () => {
    const scene = new Scene().at(0).primary('a', 500).replica('b', 400).replica('c', 500);
    scene.at(1).failed('a', 3);
    scene.at(600).replica('b', 400, none).replica('c', 500, none);
    expect(lagOf(scene, 'b')).toEqual({ bytes: 100, ms: 0, isLagging: false });
    expect(lagOf(scene, 'c')).toEqual({ bytes: 0, ms: 0, isLagging: false });
    scene.at(601).failed('a').replica('b', 400, none);
    expect(lagOf(scene, 'b').isLagging).toBe(false);
  });

  test('does not count from when it last streamed while the primary is but suspect', () => {
    const scene = new Scene().at(0).primary('a', 500).replica('b', 500);
    scene.at(30).failed('a').replica('b', 500, none);
    expect(lagOf(scene)).toEqual({ bytes: 0, ms: 0, isLagging: false });
  });

  test('is measured anew against a new primary', () => {
    const scene = new Scene().at(0).primary('a', 900).replica('b', 900).replica('c', 500);
    scene.at(5).primary('a', 950).failed('a', 3).primary('b', 920, { timeline: 2 });
    expect(scene.topology.history).toEqual([{ lsn: 920n, from: 5_000, until: 5_000 }]);
    expect(lagOf(scene.at(6).replica('c', 500), 'c')).toEqual({ bytes: 420, ms: 1_000, isLagging: false });
  });

  test('is not forgotten when the same primary is back', () => {
    const scene = new Scene().at(0).primary('a', 500).replica('b', 500);
    scene.at(3_600).primary('a', 600).replica('b', 500, { isReplayPaused: true });
    scene.at(3_601).failed('a', 3);
    scene.at(3_602).primary('a', 600).replica('b', 500, { isReplayPaused: true });
    expect(lagOf(scene)).toEqual({ bytes: 100, ms: 3_602_000, isLagging: true });
  });

  test('is unknown where positions are hidden, and excludes nobody', () => {
    const scene = new Scene().primary('a', 500).probed('b', { inRecovery: true });
    expect(scene.node('b').lag).toBeUndefined();
    expect(lagOf(scene).isLagging).toBe(false);
  });

  test('belongs to replicas: one that was promoted has none', () => {
    const scene = new Scene().primary('a', 500).replica('b', 400);
    expect(scene.node('b').lag).toBeDefined();
    scene.primary('b', 510, { timeline: 2 });
    expect([scene.node('a').lag, scene.node('b').lag]).toEqual([undefined, undefined]);
  });
});
