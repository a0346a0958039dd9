import { expect, test } from 'vitest';
import { Scene } from './scene.js';

const OTHER = '7000000000000000002';
const start = () => new Scene().at(1).primary('a', 100).at(2).replica('b', 100).at(3).replica('c', 100);

test.each<[string, () => Scene, number | undefined]>([
  ['up since the start', start, undefined],
  ['up since the start, and seen again', () => start().at(9).replica('b', 100), undefined],
  ['down', () => start().at(8).failed('b', 3), undefined],
  ['back after it was down', () => start().failed('b', 3).at(9).replica('b', 100), 9_000],
  ['back after one failure', () => start().failed('b').at(9).replica('b', 100), 9_000],
  ['back after its connections broke', () => start().broke('b').at(9).replica('b', 100), 9_000],
  ['back, and seen again', () => start().failed('b').at(9).replica('b', 1).at(10).replica('b', 1), 9_000],
  ['back twice', () => start().failed('b').at(9).replica('b', 1).failed('b').at(12).replica('b', 1), 12_000],
  [
    'dead at the start, and up later',
    () => new Scene().failed('b').primary('a', 1).replica('c', 1).at(9).replica('b', 1),
    9_000,
  ],
  [
    'of another system, and then of this',
    () => start().replica('b', 1, { systemId: OTHER }).at(9).replica('b', 1),
    9_000,
  ],
  [
    'refused beside a second primary, which then died',
    () => start().primary('b', 100).at(9).failed('a', 3),
    9_000,
  ],
])('slow start of a node that is %s', (_, scene, returnedAt) => {
  expect(scene().node('b').returnedAt).toBe(returnedAt);
});

test('a node that joins a known system is back too', () => {
  const known = start();
  const { nodes, ...rest } = known.topology;
  known.topology = {
    ...rest,
    nodes: nodes.map((node) =>
      node.name === 'b'
        ? {
            name: 'b',
            settings: node.settings,
            role: 'unknown',
            health: 'unknown',
            failures: 0,
            isLagging: false,
          }
        : node,
    ),
  };
  expect(known.at(9).replica('b', 100).node('b').returnedAt).toBe(9_000);
});
