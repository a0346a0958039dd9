import { describe, expect, test } from 'vitest';
import { changesBetween } from '../../lib/topology/changes.js';
import { describeTrouble } from '../../lib/topology/topology.js';
import { LIMITS, replicaFacts, Scene, settingsOf } from './scene.js';

const OTHER = '7000000000000000002';
const up = () => new Scene().primary('a', 100).replica('b', 100).replica('c', 100);

describe('what a cluster is seen as', () => {
  test.each<[string, () => Scene, string | undefined, Record<string, string>]>([
    [
      'nothing seen yet',
      () => new Scene(),
      undefined,
      { a: 'unknown unknown', b: 'unknown unknown', c: 'unknown unknown' },
    ],
    [
      'everything dead at start',
      () => new Scene().failed('a').failed('b').failed('c'),
      undefined,
      { a: 'unknown down unreachable', b: 'unknown down unreachable', c: 'unknown down unreachable' },
    ],
    ['all well', up, 'a', { a: 'primary up', b: 'replica up', c: 'replica up' }],
    [
      'a replica dead at start',
      () => new Scene().failed('b').primary('a', 1).replica('c', 1),
      'a',
      { a: 'primary up', b: 'unknown down unreachable', c: 'replica up' },
    ],
    [
      'no primary, since the master is in recovery',
      () => new Scene().replica('a', 1).replica('b', 1).replica('c', 1),
      undefined,
      { a: 'replica up', b: 'replica up', c: 'replica up' },
    ],
    [
      'the primary where a replica is configured',
      () => new Scene().replica('a', 1).primary('b', 1).replica('c', 1),
      'b',
      { a: 'replica up', b: 'primary up', c: 'replica up' },
    ],
    [
      'a replica of another system',
      () => new Scene().primary('a', 1).replica('b', 1, { systemId: OTHER }).replica('c', 1),
      'a',
      { a: 'primary up', b: 'replica refused other-system', c: 'replica up' },
    ],
    [
      'another system that answers first, on a high timeline: it says nothing of ours',
      () => new Scene().primary('b', 1, { systemId: OTHER, timeline: 7 }).primary('a', 1).replica('c', 1),
      'a',
      { a: 'primary up', b: 'primary refused other-system', c: 'replica up' },
    ],
    [
      'two primaries on one timeline',
      () => up().primary('b', 100),
      undefined,
      { a: 'primary refused two-primaries', b: 'primary refused two-primaries', c: 'replica up' },
    ],
    [
      'two primaries, one of which died',
      () => up().primary('b', 100).failed('a', 3),
      'b',
      { a: 'primary down unreachable', b: 'primary up', c: 'replica up' },
    ],
    [
      'a replica that was promoted while the old primary lives',
      () => up().primary('b', 110, { timeline: 2 }),
      'b',
      { a: 'primary refused stale-primary', b: 'primary up', c: 'replica up' },
    ],
    [
      'a stale primary that comes back',
      () => up().failed('a', 3).primary('b', 110, { timeline: 2 }).primary('a', 200),
      'b',
      { a: 'primary refused stale-primary', b: 'primary up', c: 'replica up' },
    ],
    [
      'a standby that shows a newer timeline before its primary does',
      () => up().replica('c', 110, { timeline: 2 }),
      undefined,
      { a: 'primary refused stale-primary', b: 'replica up', c: 'replica up' },
    ],
    [
      'the old primary, now a replica',
      () => up().primary('b', 110, { timeline: 2 }).replica('a', 110, { timeline: 2 }),
      'b',
      { a: 'replica up', b: 'primary up', c: 'replica up' },
    ],
    [
      'a demotion that a pooled connection reports',
      () => up().reported('a', true),
      undefined,
      { a: 'replica up', b: 'replica up', c: 'replica up' },
    ],
    [
      'a promotion that a pooled connection reports: its timeline is not known yet',
      () => up().reported('b', false),
      'a',
      { a: 'primary up', b: 'replica up', c: 'replica up' },
    ],
    [
      'a word of a node that was never seen',
      () => new Scene().reported('a', false),
      undefined,
      { a: 'unknown unknown', b: 'unknown unknown', c: 'unknown unknown' },
    ],
    [
      'nodes that hide system and timeline',
      () =>
        new Scene()
          .probed('a', { inRecovery: false })
          .probed('b', { inRecovery: true })
          .probed('c', { inRecovery: true }),
      'a',
      { a: 'primary up', b: 'replica up', c: 'replica up' },
    ],
    [
      'two primaries that hide their timelines',
      () =>
        new Scene()
          .probed('a', { inRecovery: false })
          .probed('b', { inRecovery: false })
          .probed('c', { inRecovery: true }),
      undefined,
      { a: 'primary up', b: 'primary up', c: 'replica up' },
    ],
  ])('%s', (_, scene, primary, view) => {
    const { topology, view: seen } = scene();
    expect(seen).toEqual(view);
    expect(topology.primary).toBe(primary);
  });
});

describe('failures', () => {
  test.each<[string, (scene: Scene) => Scene, string]>([
    ['once', (scene) => scene.failed('b'), 'replica suspect unreachable'],
    ['twice', (scene) => scene.failed('b', 2), 'replica suspect unreachable'],
    ['three times', (scene) => scene.failed('b', 3), 'replica down unreachable'],
    ['three times, then an answer', (scene) => scene.failed('b', 3).replica('b', 100), 'replica up'],
    [
      'twice, an answer, once',
      (scene) => scene.failed('b', 2).replica('b', 100).failed('b'),
      'replica suspect unreachable',
    ],
    [
      'of pooled connections, any number',
      (scene) => scene.broke('b').broke('b').broke('b').broke('b'),
      'replica suspect unreachable',
    ],
    [
      'of pooled connections, then of two probes',
      (scene) => scene.broke('b').failed('b', 2),
      'replica down unreachable',
    ],
    [
      'of pooled connections once it is down',
      (scene) => scene.failed('b', 4).broke('b'),
      'replica down unreachable',
    ],
  ])('%s', (_, happen, view) => {
    expect(happen(up()).view['b']).toBe(view);
  });

  test('leave the primary what it is until it is down', () => {
    expect(up().failed('a', 2).topology.primary).toBe('a');
    expect(up().failed('a', 3).topology.primary).toBeUndefined();
    expect(up().failed('a', 3).primary('a', 100).topology.primary).toBe('a');
  });

  test('as many as are set make a node down', () => {
    const scene = new Scene(settingsOf(), { ...LIMITS, maxRetryAttempts: 1 });
    scene.primary('a', 1).replica('b', 1).replica('c', 1).failed('a');
    expect([scene.view['a'], scene.topology.primary]).toEqual(['primary down unreachable', undefined]);
  });

  test('tell their cause', () => {
    const { trouble } = up().broke('b').node('b');
    expect(trouble && describeTrouble(trouble)).toBe('reset by peer');
  });
});

describe('probes that overlap', () => {
  const answered = (scene: Scene, startedAt: number, lsn: number) =>
    scene.see({ kind: 'probed', node: 'b', startedAt, endedAt: 9_000, facts: replicaFacts(lsn) });
  const failed = (scene: Scene, startedAt: number) =>
    scene.see({ kind: 'probe-failed', node: 'b', startedAt, at: 9_000, cause: 'late' });

  test('a late answer does not overwrite what was asked later', () => {
    const scene = up();
    answered(scene, 2_000, 120);
    answered(scene, 1_000, 110);
    expect(scene.node('b')).toMatchObject({ probeStartedAt: 2_000, facts: { replayedLsn: 120n } });
  });

  test('a failure counts for nothing where what was asked later has been answered', () => {
    const scene = answered(up(), 2_000, 120);
    expect(failed(scene, 1_999).node('b')).toMatchObject({ health: 'up', failures: 0 });
    expect(failed(scene, 2_001).node('b')).toMatchObject({ health: 'suspect', failures: 1 });
  });

  test('an answer ends the failures of what was asked before it only', () => {
    const scene = failed(up(), 2_000);
    expect(answered(scene, 1_999, 120).node('b')).toMatchObject({
      health: 'suspect',
      failures: 1,
      facts: { replayedLsn: 120n },
    });
    expect(answered(scene, 2_001, 130).node('b')).toMatchObject({ health: 'up', failures: 0 });
  });

  test('an answer that was asked for before connections broke does not make up for them', () => {
    const scene = up().at(3).broke('b');
    expect(answered(scene, 2_999, 120).node('b').health).toBe('suspect');
    expect(answered(scene, 3_000, 120).node('b').health).toBe('up');
  });
});

test('the system, once chosen, and the newest timeline are kept', () => {
  const scene = up().primary('b', 110, { timeline: 2 }).failed('b', 3);
  expect(scene.topology).toMatchObject({ systemId: expect.any(String), newestTimeline: 2 });
  expect(scene.topology.primary).toBeUndefined();
  scene.primary('b', 120, { systemId: OTHER, timeline: 9 });
  expect(scene.topology.newestTimeline).toBe(2);
  expect(scene.view['b']).toBe('primary refused other-system');
});

test('the system is the masters’, whoever answers first', () => {
  const scene = new Scene(settingsOf('a', 'b')).replica('b', 1, { systemId: OTHER });
  expect(scene.topology.systemId).toBeUndefined();
  scene.primary('a', 1);
  expect(scene.topology.systemId).not.toBe(OTHER);
});

test('a topology is replaced, never changed', () => {
  const freeze = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  };
  const scene = new Scene();
  for (const step of [
    () => scene.primary('a', 100),
    () => scene.replica('b', 90),
    () => scene.failed('b', 3),
    () => scene.reported('a', true),
    () => scene.primary('c', 100, { timeline: 2 }),
  ]) {
    freeze(scene.topology);
    const { version } = scene.topology;
    step();
    expect(scene.topology.version).toBeGreaterThan(version);
  }
});

test('changes name the nodes whose role, health or lagging changed, with the reason', () => {
  const before = up().topology;
  expect(changesBetween(before, up().replica('b', 100).topology)).toEqual([]);
  expect(changesBetween(before, up().failed('b', 3).topology)).toEqual([
    {
      node: 'b',
      role: 'replica',
      health: 'down',
      isLagging: false,
      previous: { role: 'replica', health: 'up', isLagging: false },
      reason: 'connection refused',
    },
  ]);
});
