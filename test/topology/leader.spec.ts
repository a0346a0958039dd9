import { describe, expect, test } from 'vitest';
import type { Leader } from '../../lib/topology/leader.js';
import { Scene } from './scene.js';

const TWO = { timeline: 2 };

function told(scene: Scene, node: string | undefined, more: Partial<Leader> = {}): Scene {
  const leader = node === undefined ? undefined : { node, overrules: false, ...more };
  return scene.see({ kind: 'leader-told', node, at: 0, leader });
}

const up = () => new Scene().primary('a', 100).replica('b', 100).replica('c', 100);
/** Two are writable on one timeline. */
const split = () => up().primary('b', 100);
/** `b` was promoted, and `a` doesn't know. */
const promoted = () => up().primary('b', 100, TWO).primary('a', 110);

describe('the primary, where it is told who leads', () => {
  test.each<[string, () => Scene, string | undefined, Record<string, string>]>([
    ['the leader', () => told(up(), 'a', { timeline: 1 }), 'a', { a: 'primary up', b: 'replica up' }],
    ['two on one timeline, and no leader', split, undefined, { a: 'primary refused two-primaries' }],
    [
      'two on one timeline: the leader',
      () => told(split(), 'b', { timeline: 1 }),
      'b',
      { a: 'primary refused not-the-leader', b: 'primary up' },
    ],
    [
      'two on one timeline, and the leader is told no more',
      () => told(told(split(), 'b', { timeline: 1 }), undefined),
      undefined,
      { a: 'primary refused two-primaries', b: 'primary refused two-primaries' },
    ],
    [
      'a leader that is not promoted yet is waited for',
      () => told(up(), 'b', { timeline: 1 }),
      undefined,
      { a: 'primary refused not-the-leader', b: 'replica up' },
    ],
    [
      'a leader whose timeline is not known is not waited for',
      () => told(up(), 'b'),
      'a',
      { a: 'primary up', b: 'replica up' },
    ],
    [
      'what was told before the promotion counts no more after it',
      () => told(promoted(), 'a', { timeline: 1 }),
      'b',
      { a: 'primary refused stale-primary', b: 'primary up' },
    ],
    [
      'a leader that was asked itself overrules a higher timeline',
      () => told(promoted().replica('c', 100, TWO), 'a', { timeline: 1, overrules: true }),
      'a',
      { a: 'primary up', b: 'primary refused not-the-leader' },
    ],
    [
      'an overruling leader that is a replica now: nobody, until another is told',
      () => told(promoted(), 'a', { timeline: 1, overrules: true }).replica('a', 110),
      undefined,
      { a: 'replica up', b: 'primary refused not-the-leader' },
    ],
  ])('%s', (_, scene, primary, view) => {
    const { topology, view: seen } = scene();
    expect({ primary: topology.primary, ...seen }).toMatchObject({ ...view });
    expect(topology.primary).toBe(primary);
  });

  test('what an overruling leader has overruled stays so, when it waits for its timeline and when nobody can be asked', () => {
    const scene = told(promoted().replica('c', 100, TWO), 'a', { timeline: 1, overrules: true });
    const steady = { newestTimeline: 1, primary: 'a' };
    const { timeline: _, ...waiting } = scene.node('c').facts ?? { inRecovery: true };
    scene.probed('c', waiting);
    expect(scene.topology).toMatchObject(steady);
    expect(told(scene, 'a', { timeline: 1 }).replica('c', 100, TWO).topology).toMatchObject(steady);
    expect(told(scene, undefined).topology).toMatchObject(steady);
    // Unless it leads itself.
    expect(told(scene, 'b', { timeline: 2 }).topology).toMatchObject({ newestTimeline: 2, primary: 'b' });
  });

  test("the newest timeline is the overruling leader's, and goes on from there", () => {
    const scene = told(promoted(), 'a', { timeline: 1, overrules: true });
    expect(scene.topology.newestTimeline).toBe(1);
    // The other was rewound; the leader is promoted anew one day.
    told(scene.replica('b', 110), 'a', { timeline: 1 });
    expect(scene.topology).toMatchObject({ newestTimeline: 1, primary: 'a' });
    told(scene.primary('c', 120, TWO), 'c', { timeline: 1 });
    expect(scene.topology).toMatchObject({ newestTimeline: 2, primary: 'c' });
  });
});
