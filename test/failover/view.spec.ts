import { describe, expect, test } from 'vitest';
import { viewOf } from '../../lib/failover/view.js';
import { unseen, type NodeState, type Topology } from '../../lib/topology/topology.js';

const node = (name: string, more: Partial<NodeState> = {}): NodeState => ({
  name,
  settings: {} as never,
  role: 'replica',
  health: 'up',
  failures: 0,
  isLagging: false,
  facts: { inRecovery: true },
  ...more,
});
const gone = (failures = 3, more: Partial<NodeState> = {}) =>
  node('p', {
    role: 'primary',
    health: failures < 3 ? 'suspect' : 'down',
    failures,
    facts: { inRecovery: false, insertLsn: 90n },
    ...more,
  });
const of = (...nodes: readonly NodeState[]): Topology => ({
  ...unseen([]),
  version: 1,
  newestTimeline: 1,
  samples: [{ at: 0, timeline: 1, lsn: 100n }],
  sampled: 'p',
  nodes,
});
const settings = (more: object = {}) => ({
  failover: { maxRetryAttempts: 3, maxDataLossBytes: 10, withoutQuorum: false, ...more } as never,
});
const two = { kind: 'two-primaries', others: ['a'] } as const;

describe('what is in the way', () => {
  test.each([
    ['nothing', of(gone(), node('b'), node('a')), {}, undefined],
    ['the primary failed twice', of(gone(2), node('a'), node('b')), {}, 'too-early'],
    ['more failures are asked for', of(gone(4), node('a'), node('b')), { maxRetryAttempts: 5 }, 'too-early'],
    ['it answers, as a replica', of(node('p'), node('a'), node('b')), {}, 'primary-answers'],
    [
      'none was seen',
      { ...of(gone(), node('a'), node('b')), sampled: undefined } as never,
      {},
      'primary-unknown',
    ],
    [
      'two are primaries',
      of(gone(0, { health: 'refused', trouble: two }), node('a'), node('b')),
      {},
      'two-primaries',
    ],
    ['one replica is silent', of(gone(), node('a'), node('b', { health: 'suspect' })), {}, 'no-majority'],
    ['there is one replica', of(gone(), node('a')), {}, 'no-majority'],
    ['that is enough', of(gone(), node('a')), { withoutQuorum: true }, undefined],
    ['three of four answer', of(gone(), node('a'), node('b'), node('c')), {}, undefined],
    [
      'two of four answer',
      of(gone(), node('a'), node('b'), node('c', { health: 'down' })),
      {},
      'no-majority',
    ],
  ])('%s', (_what, topology: Topology, more, obstacle) => {
    expect(viewOf(topology, settings(more)).obstacle?.kind).toBe(obstacle);
  });
});

test('replicas are in the order of their names, and the primary was where it was seen last', () => {
  const view = viewOf(of(gone(), node('b'), node('a')), settings());
  expect(view).toMatchObject({ standbys: ['a', 'b'], needed: 2, configured: 3, lastLsn: 100n });
  const { samples: _, ...rest } = of(gone(), node('a'), node('b'));
  expect(viewOf({ ...rest, samples: [] }, settings()).lastLsn).toBe(90n);
});
