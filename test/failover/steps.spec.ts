import { expect, test } from 'vitest';
import { stepsBetween } from '../../lib/failover/steps.js';
import { Scene, settingsOf } from '../topology/scene.js';

const NEW = { timeline: 2 };
const up = () => new Scene().at(1).primary('a', 100).replica('b', 100).replica('c', 100);
const four = () => {
  const scene = new Scene(settingsOf('a', 'b', 'c', 'd')).at(1).primary('a', 100);
  for (const name of ['b', 'c', 'd']) scene.replica(name, 100);
  return scene.at(2).primary('b', 110, NEW).at(3).replica('c', 100).replica('d', 100);
};

test.each<[string, () => Scene, (scene: Scene) => Scene, readonly string[]]>([
  ['nothing new', up, (scene) => scene.primary('a', 110), []],
  ['a primary that fails once', up, (scene) => scene.failed('a'), []],
  [
    'a primary that is down',
    () => up().failed('a', 2),
    (scene) => scene.failed('a'),
    ['primary-lost a: connection refused'],
  ],
  [
    'a promotion',
    () => up().failed('a', 3),
    (scene) => scene.primary('b', 110, NEW),
    ['primary-found b: timeline 2'],
  ],
  [
    'the old primary that comes back',
    () => up().failed('a', 3).primary('b', 110, NEW),
    (scene) => scene.primary('a', 100),
    ['node-quarantined a: is writable on timeline 1, but the cluster has reached 2'],
  ],
  [
    'two on one timeline',
    up,
    (scene) => scene.primary('b', 110),
    [
      'primary-lost a: is writable on the same timeline as b',
      'split-brain: a and b are writable on timeline 1',
    ],
  ],
  ['two of which one does not answer once', () => up().primary('b', 110), (scene) => scene.failed('b'), []],
  [
    'two of which one is a standby again',
    () => up().primary('b', 110),
    (scene) => scene.replica('b', 110),
    ['primary-found a: timeline 1', 'split-brain-resolved a'],
  ],
  [
    'a lower timeline that most standbys stream from',
    four,
    (scene) => scene.primary('a', 100),
    [
      'lower-timeline-accepted a: timeline 1, though 2 was seen: most standbys stream from it',
      'primary-found a: timeline 1',
      'node-quarantined b: is writable on timeline 2, but most standbys follow timeline 1',
    ],
  ],
])('%s', (_, before, happen, told) => {
  const scene = before();
  const previous = scene.topology;
  const steps = stepsBetween(previous, happen(scene).topology);
  expect(
    steps.map(({ step, node, detail }) =>
      [[step, node].filter(Boolean).join(' '), detail].filter(Boolean).join(': '),
    ),
  ).toEqual(told);
});
