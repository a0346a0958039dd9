import { describe, expect, test } from 'vitest';
import { readReplicas, type ReplicaDemand } from '../../lib/routing/candidates.js';
import { route, whyNoPrimary, type Intent } from '../../lib/routing/route.js';
import { Scene, settingsOf } from '../topology/scene.js';

const up = () => new Scene().primary('a', 500).replica('b', 500).replica('c', 400);
const inZones = () => {
  const zones: Record<string, string> = { b: 'west', c: 'east' };
  const settings = settingsOf().map((node) => ({ ...node, zone: zones[node.name] ?? 'west' }));
  return new Scene(settings).primary('a', 500).replica('b', 500).replica('c', 500);
};
const backAt9 = () => up().failed('b').at(9).replica('b', 500);
const noReplica = () => up().failed('b', 3).failed('c', 3);
const noPrimary = () => up().failed('a', 3);

interface Circumstances {
  readonly failed?: readonly string[];
  readonly busy?: Readonly<Record<string, number>>;
  readonly slow?: Readonly<Record<string, number>>;
  readonly now?: number;
  readonly zone?: string;
  readonly random?: number;
}

function decide(
  scene: Scene,
  intent: Intent,
  { failed = [], busy = {}, slow = {}, now = 0, zone, random = 0 }: Circumstances = {},
) {
  const decision = route(scene.topology, intent, {
    settings: { balance: 'least-loaded', slowStartMs: 10_000, ...(zone !== undefined && { zone }) },
    chance: { nextTurn: () => 0, random: () => random },
    failed: new Set(failed),
    now,
    loads: {
      inFlight: (node) => busy[node] ?? 0,
      latencyMs: (node) => slow[node] ?? 1,
      heldMs: (node) => slow[node] ?? 1,
    },
  });
  if (!decision.node)
    return `nobody: ${decision.refusals.map(({ node, reason }) => `${node} ${reason}`).join(', ')}`;
  const { node, target, reason, mustNotWrite } = decision;
  return `${node.name} ${target} ${reason}${mustNotWrite ? ' read-only' : ''}`;
}

const read = (changes: Partial<Extract<Intent, { target: 'replica' }>> = {}): Intent => ({
  target: 'replica',
  reason: 'use-replica',
  onUnavailable: 'primary',
  ...changes,
});
const write: Intent = { target: 'primary', reason: 'use-master' };

describe('a call', () => {
  test.each<[string, () => Scene, Intent, string, object?]>([
    ['for the primary', up, write, 'a primary use-master'],
    [
      'for the primary, undecorated',
      up,
      { target: 'primary', reason: 'undecorated' },
      'a primary undecorated',
    ],
    ['for a suspect primary', () => up().failed('a'), write, 'a primary use-master'],
    ['for the primary, with none', noPrimary, write, 'nobody: '],
    ['that reads', up, read(), 'b replica use-replica'],
    ['that reads, to the less busy', up, read(), 'c replica use-replica', { busy: { b: 2, c: 1 } }],
    ['that reads, to the faster', up, read(), 'c replica use-replica', { busy: { c: 1 }, slow: { b: 20 } }],
    ['that reads, to a replica of its zone', inZones, read(), 'c replica use-replica', { zone: 'east' }],
    ['that reads, from a zone without replicas', inZones, read(), 'b replica use-replica', { zone: 'south' }],
    [
      'that reads, from a zone whose replica is down',
      () => inZones().failed('c', 3),
      read(),
      'b replica use-replica',
      { zone: 'east' },
    ],
    [
      'that reads, beside one that is just back',
      backAt9,
      read(),
      'c replica use-replica',
      { now: 9_000, random: 0.2 },
    ],
    [
      'that reads, beside one that has warmed up',
      backAt9,
      read(),
      'b replica use-replica',
      { now: 19_000, random: 0.2 },
    ],
    ['that reads, with no primary', noPrimary, read(), 'b replica use-replica'],
    ['that reads, with no replica', noReplica, read(), 'a primary no-replica read-only'],
    [
      'that reads, with no replica, and would wait',
      noReplica,
      read({ onUnavailable: 'wait' }),
      'nobody: b down, c down',
    ],
    [
      'that reads, with no replica, and would fail',
      noReplica,
      read({ onUnavailable: 'fail' }),
      'nobody: b down, c down',
    ],
    ['that reads, with nothing left', () => noReplica().failed('a', 3), read(), 'nobody: b down, c down'],
    ['that reads, before anything was seen', () => new Scene(), read(), 'nobody: b unseen, c unseen'],
    ['that has failed on one', up, read(), 'c replica use-replica', { failed: ['b'] }],
    [
      'that has failed on all',
      up,
      read({ onUnavailable: 'fail' }),
      'nobody: b just-failed, c just-failed',
      { failed: ['b', 'c'] },
    ],
    [
      'of a scope, where it read before',
      up,
      read({ stickTo: 'c' }),
      'c replica use-replica',
      { busy: { c: 9 } },
    ],
    [
      'of a scope whose replica is gone',
      () => up().failed('c', 3),
      read({ stickTo: 'c' }),
      'b replica use-replica',
    ],
    [
      'of a scope whose replica has failed it',
      up,
      read({ stickTo: 'c' }),
      'b replica use-replica',
      { failed: ['c'] },
    ],
    [
      'of a scope that has seen more than one replica has',
      up,
      read({ stickTo: 'x', atLeast: 450n }),
      'b replica use-replica',
      { busy: { b: 9 } },
    ],
    [
      'of a scope that has seen what a replica has, just',
      up,
      read({ atLeast: 500n }),
      'b replica use-replica',
    ],
    ['of a scope that has seen more than all', up, read({ atLeast: 501n }), 'a primary no-replica read-only'],
    [
      'of a scope that has read from the primary',
      up,
      read({ stickTo: 'a' }),
      'a primary scope-on-primary read-only',
    ],
    [
      'of a scope whose primary is a replica now',
      () => up().failed('b', 3).primary('c', 510, { timeline: 2 }).replica('a', 510, { timeline: 2 }),
      read({ stickTo: 'a' }),
      'a replica use-replica',
    ],
    [
      'of a scope whose replica was promoted',
      () => up().primary('c', 510, { timeline: 2 }),
      read({ stickTo: 'c' }),
      'c primary scope-on-primary read-only',
    ],
    ['with a bound on lag that all keep', up, read({ maxLagMs: 0, stickTo: 'b' }), 'b replica use-replica'],
  ])('%s', (_, scene, intent, decision, circumstances = {}) => {
    expect(decide(scene(), intent, circumstances)).toBe(decision);
  });
});

const onTimeline = (replayTimeline: number) => ({ replayTimeline });
/** `b` is at 500 and `c` at 400, both known to be on the primary's timeline. */
const following = () => up().replica('b', 500, onTimeline(1)).replica('c', 400, onTimeline(1));
const at = (lsn: number, timeline = 1) => ({ timeline, lsn: BigInt(lsn) });
const bound = (changes: Parameters<typeof read>[0]) => read({ reason: 'read', ...changes });
const onC = { busy: { b: 9 } };

describe('a read of a session that has written', () => {
  test.each<[string, () => Scene, Intent, string, object?]>([
    [
      'what is not sampled yet',
      following,
      bound({ written: 'unsampled' }),
      'a primary behind-session read-only',
    ],
    ['what a replica has, just', following, bound({ written: at(500) }), 'b replica read', onC],
    ['what all have', following, bound({ written: at(400) }), 'c replica read', onC],
    ['what no replica has', following, bound({ written: at(501) }), 'a primary behind-session read-only'],
    [
      'what only the former replica lacks',
      following,
      bound({ written: at(450), stickTo: 'c' }),
      'b replica read',
    ],
    [
      'what a replica has that has failed it',
      following,
      bound({ written: at(500) }),
      'a primary behind-session read-only',
      { failed: ['b'] },
    ],
    [
      'where all replicas have failed it',
      following,
      bound({ written: at(500) }),
      'a primary no-replica read-only',
      { failed: ['b', 'c'] },
    ],
    [
      'where the replicas do not tell their timeline',
      up,
      bound({ written: at(1) }),
      'a primary behind-session read-only',
    ],
    [
      'where the replicas do not tell their position',
      () =>
        up()
          .probed('b', { inRecovery: true, ...onTimeline(1) })
          .failed('c', 3),
      bound({ written: at(1) }),
      'a primary behind-session read-only',
    ],
    [
      'on a timeline that a replica has not come to',
      () =>
        up()
          .primary('a', 600, { timeline: 2 })
          .replica('b', 900, { timeline: 2, replayTimeline: 1 })
          .replica('c', 600, { timeline: 2, replayTimeline: 2 }),
      bound({ written: at(600, 2) }),
      'c replica read',
    ],
    [
      'on a timeline that its replicas have left',
      () => following().failed('a', 3).replica('b', 900, onTimeline(2)).replica('c', 900, onTimeline(2)),
      bound({ written: at(500) }),
      'nobody: b behind-session, c behind-session',
    ],
    [
      'what no replica has, and would wait',
      following,
      bound({ written: at(501), onUnavailable: 'wait' }),
      'nobody: b behind-session, c behind-session',
    ],
    [
      'what is not sampled yet, and would wait',
      following,
      bound({ written: 'unsampled', onUnavailable: 'wait' }),
      'nobody: b behind-session, c behind-session',
    ],
    [
      'what no replica has, and would fail',
      following,
      bound({ written: at(501), onUnavailable: 'fail' }),
      'nobody: b behind-session, c behind-session',
    ],
    [
      'what one replica has, and would fail',
      following,
      bound({ written: at(500), onUnavailable: 'fail' }),
      'b replica read',
    ],
    [
      'what no replica has, with no primary',
      () => following().failed('a', 3),
      bound({ written: at(501) }),
      'nobody: b behind-session, c behind-session',
    ],
    [
      'what a replica has, with no primary',
      () => following().failed('a', 3),
      bound({ written: at(500) }),
      'b replica read',
    ],
    ['ahead of all that is known', following, bound({ written: 'ahead' }), 'nobody: '],
    [
      'ahead of all that is known, though it has read from the primary',
      following,
      bound({ written: 'ahead', stickTo: 'a' }),
      'nobody: ',
    ],
    [
      'after it has read from the primary',
      following,
      bound({ written: at(501), stickTo: 'a' }),
      'a primary scope-on-primary read-only',
    ],
  ])('%s', (_, scene, intent, decision, circumstances = {}) => {
    expect(decide(scene(), intent, circumstances)).toBe(decision);
  });
});

describe('a scope that has read from the primary, and may leave it', () => {
  test.each<[string, () => Scene, Intent, string, object?]>([
    ['for a replica that has as much', following, read({ atLeast: 500n }), 'b replica use-replica', onC],
    ['for none that has less', following, read({ atLeast: 501n }), 'a primary scope-on-primary read-only'],
    [
      'though it would wait for a replica',
      following,
      read({ atLeast: 501n, onUnavailable: 'wait' }),
      'a primary scope-on-primary read-only',
    ],
    [
      'though it would fail without a replica',
      following,
      read({ atLeast: 501n, onUnavailable: 'fail' }),
      'a primary scope-on-primary read-only',
    ],
    [
      'for none that lacks what the session has written',
      following,
      read({ atLeast: 500n, written: at(501) }),
      'a primary scope-on-primary read-only',
    ],
    [
      'with the primary gone and replicas behind',
      () => following().failed('a', 3),
      read({ atLeast: 501n }),
      'nobody: b behind-scope, c behind-scope',
    ],
  ])('%s', (_, scene, intent, decision, circumstances = {}) => {
    expect(decide(scene(), { ...intent, mayLeavePrimary: true } as Intent, circumstances)).toBe(decision);
  });
});

describe('a replica is refused', () => {
  test.each<[string, () => Scene, ReplicaDemand, string, string]>([
    ['unseen', () => new Scene(), {}, 'unseen', 'not seen yet'],
    ['suspect', () => up().failed('b'), {}, 'suspect', 'connection refused'],
    ['down', () => up().failed('b', 3), {}, 'down', 'connection refused'],
    [
      'of another system',
      () => up().replica('b', 500, { systemId: '8' }),
      {},
      'refused',
      'belongs to another system (8)',
    ],
    [
      'beyond the lag allowed',
      () => up().at(20).primary('a', 600).replica('b', 500),
      {},
      'lagging',
      '20 s and 100 bytes behind',
    ],
    [
      'beyond the lag this call allows',
      () => up().at(5).primary('a', 600).replica('b', 500),
      { maxLagMs: 4_999 },
      'max-lag',
      '5 s and 100 bytes behind',
    ],
    [
      'of unknown lag, where this call bounds it',
      () => up().probed('b', { inRecovery: true }),
      { maxLagMs: 60_000 },
      'max-lag',
      'its lag is unknown',
    ],
    ['behind the scope', up, { atLeast: 501n }, 'behind-scope', 'has not replayed what this scope has seen'],
    [
      'of unknown position, where the scope has seen one',
      () => up().probed('b', { inRecovery: true }),
      { atLeast: 1n },
      'behind-scope',
      'has not replayed what this scope has seen',
    ],
    [
      'behind the session',
      following,
      { written: at(501) },
      'behind-session',
      'is not known to have replayed what this session has written',
    ],
    [
      'of which nobody can say whether it has what the session wrote',
      following,
      { written: 'unsampled' },
      'behind-session',
      'is not known to have replayed what this session has written',
    ],
    [
      'on which the call has failed',
      up,
      { failed: new Set(['b']) },
      'just-failed',
      'this call has failed there',
    ],
  ])('%s', (_, scene, demand, reason, detail) => {
    const { candidates, refusals } = readReplicas(scene().topology, demand);
    expect(refusals.find(({ node }) => node === 'b')).toEqual({ node: 'b', reason, detail });
    expect(candidates.map(({ name }) => name)).not.toContain('b');
  });

  test('at the edge of the lag this call allows it is not', () => {
    const scene = up().at(5).primary('a', 600).replica('b', 500);
    const { candidates } = readReplicas(scene.topology, { maxLagMs: 5_000 });
    expect(candidates.map(({ name }) => name)).toContain('b');
  });
});

test('no primary is explained node by node', () => {
  expect(whyNoPrimary(new Scene().topology)).toBe(
    'a: has not answered yet; b: has not answered yet; c: has not answered yet',
  );
  expect(whyNoPrimary(noPrimary().topology)).toBe('a: connection refused; b: is a replica; c: is a replica');
  expect(whyNoPrimary(up().primary('b', 500).topology)).toBe(
    'a: is writable on the same timeline as b; b: is writable on the same timeline as a; c: is a replica',
  );
});
