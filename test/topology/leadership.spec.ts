import { describe, expect, test } from 'vitest';
import type { NodeFacts } from '../../lib/topology/observation.js';
import { nodeSettings, Scene, settingsOf } from './scene.js';

const NEW = { timeline: 2 };
const from = (host: string): Partial<NodeFacts> => ({ sender: { host, port: 5432 } });

/** `a` led on timeline 1; then `b` was seen on timeline 2, and is a standby again. */
const wentOn = (...names: string[]) => {
  const scene = new Scene(settingsOf(...names)).at(1).primary('a', 100);
  for (const name of names.slice(1)) scene.replica(name, 100);
  return scene.at(2).failed('a', 3).primary('b', 110, NEW).at(3).replica('b', 120);
};

describe('a primary on a lower timeline than was seen', () => {
  test.each<[string, () => Scene, string | undefined]>([
    [
      'is accepted when all of two standbys stream from it',
      () => wentOn('a', 'b', 'c').replica('c', 120).primary('a', 120),
      'a',
    ],
    ['is not by one of two', () => wentOn('a', 'b', 'c').failed('c').primary('a', 120), undefined],
    [
      'is by two of three',
      () => wentOn('a', 'b', 'c', 'd').failed('d').replica('c', 120).primary('a', 120),
      'a',
    ],
    ['is by the only one', () => wentOn('a', 'b').primary('a', 120), 'a'],
    [
      'is not by what standbys said before the newer one was seen',
      () => {
        const scene = new Scene(settingsOf('a', 'b', 'c', 'd')).at(1).primary('a', 100);
        for (const name of ['b', 'c', 'd']) scene.replica(name, 100);
        return scene.at(2).primary('b', 110, NEW).at(3).primary('a', 100);
      },
      'b',
    ],
    [
      'is by what they say since, though the newer one lives',
      () => {
        const scene = new Scene(settingsOf('a', 'b', 'c', 'd')).at(1).primary('a', 100);
        for (const name of ['b', 'c', 'd']) scene.replica(name, 100);
        return scene.at(2).primary('b', 110, NEW).at(3).primary('a', 100).replica('c', 100).replica('d', 100);
      },
      'a',
    ],
    [
      'is not by one that was left behind: it names the timeline, but waits',
      () => wentOn('a', 'b', 'c').replica('c', 120, { receiver: 'waiting' }).primary('a', 120),
      undefined,
    ],
    [
      'is not by one that streams the newer timeline',
      () => wentOn('a', 'b', 'c').replica('c', 120, NEW).primary('a', 120),
      undefined,
    ],
    [
      'is not by one whose account may not see the timeline',
      () => {
        const { timeline: _, ...facts } = wentOn('a', 'b', 'c').node('c').facts ?? { inRecovery: true };
        return wentOn('a', 'b', 'c').probed('c', facts).primary('a', 120);
      },
      undefined,
    ],
    [
      'is by one that calls it by another address',
      () => wentOn('a', 'b').replica('b', 120, from('10.0.0.1')).primary('a', 120),
      'a',
    ],
    [
      'is not while it is read-only',
      () => wentOn('a', 'b').primary('a', 120, { isReadOnly: true }),
      undefined,
    ],
    [
      'is not by one that is of another system',
      () => wentOn('a', 'b', 'c').replica('c', 120, { systemId: '9' }).primary('a', 120),
      undefined,
    ],
  ])('%s', (_, scene, primary) => {
    expect(scene().topology.primary).toBe(primary);
  });

  test('is not by one that streams from another node, which is writable there too', () => {
    const scene = wentOn('a', 'b', 'c', 'd')
      .primary('d', 120)
      .replica('b', 120, from('a'))
      .replica('c', 120, from('d'));
    expect(scene.primary('a', 120).topology.newestTimeline).toBe(2);
    expect(scene.replica('c', 120, from('a')).topology.newestTimeline).toBe(1);
  });

  test('has the cluster’s timeline from then on, and what is on the newer one is kept out', () => {
    const scene = new Scene(settingsOf('a', 'b', 'c', 'd')).at(1).primary('a', 100);
    for (const name of ['b', 'c', 'd']) scene.replica(name, 100);
    scene.at(2).primary('b', 110, NEW).at(3).replica('c', 100).replica('d', 100).primary('a', 100);
    expect(scene.topology).toMatchObject({ newestTimeline: 1, primary: 'a' });
    expect(scene.view['b']).toBe('primary refused overruled');
    scene.at(4).primary('b', 130, NEW).failed('c').replica('d', 120).primary('a', 120);
    expect(scene.topology).toMatchObject({ newestTimeline: 1, primary: 'a' });
    scene.at(5).replica('b', 120);
    expect(scene.view['b']).toBe('replica up');
  });

  test('gives way to the next promotion, though its number is that of the one that was taken back', () => {
    const scene = wentOn('a', 'b', 'c').replica('c', 120).primary('a', 120);
    scene.at(5).failed('a', 3).primary('c', 130, NEW);
    expect(scene.topology).toMatchObject({ newestTimeline: 2, primary: 'c' });
  });
});

describe('two primaries on one timeline', () => {
  const two = () => new Scene().primary('a', 100).replica('b', 100).replica('c', 100).primary('b', 100);

  test.each<[string, (scene: Scene) => Scene, string | undefined, string]>([
    ['neither is used', (scene) => scene, undefined, 'primary refused two-primaries'],
    [
      'until one is fenced: then the other is',
      (scene) => scene.primary('b', 100, { isReadOnly: true }),
      'a',
      'primary refused fenced',
    ],
    ['until one is gone', (scene) => scene.failed('b', 3), 'a', 'primary down unreachable'],
    ['until one is a standby', (scene) => scene.replica('b', 100), 'a', 'replica up'],
    [
      'nor where both are read-only',
      (scene) => scene.primary('a', 100, { isReadOnly: true }).primary('b', 100, { isReadOnly: true }),
      undefined,
      'primary refused two-primaries',
    ],
  ])('%s', (_, happen, primary, view) => {
    const scene = happen(two());
    expect([scene.topology.primary, scene.view['b']]).toEqual([primary, view]);
  });
});

test('two names of one server are no split: the one that is meant for the primary is it', () => {
  const same = { serverStartedAt: 'then' };
  const scene = new Scene().primary('b', 100, same).primary('a', 100, same).replica('c', 100);
  expect([scene.topology.primary, scene.view['a'], scene.view['b']]).toEqual([
    'a',
    'primary up',
    'primary up',
  ]);
  scene.primary('b', 100, { serverStartedAt: 'later' });
  expect(scene.topology.primary).toBeUndefined();
});

test('a single primary is used though it is read-only: it serves reads', () => {
  const scene = new Scene([nodeSettings('a', 'primary')]).primary('a', 100, { isReadOnly: true });
  expect([scene.topology.primary, scene.view['a']]).toEqual(['a', 'primary up']);
});
