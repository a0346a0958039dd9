import { describe, expect, test } from 'vitest';
import { decide, WATCHING, type Contender, type Event } from '../../lib/failover/decide.js';
import type { StandbyReport } from '../../lib/failover/standby-report.js';
import type { View } from '../../lib/failover/view.js';

const VIEW: View = {
  timeline: 1,
  configured: 3,
  needed: 2,
  names: ['p', 'a', 'b'],
  standbys: ['a', 'b'],
  lastLsn: 100n,
  maxLossBytes: 10,
  isStopping: false,
};
const BACK: View = { ...VIEW, primary: 'p' };
const STOPPING: View = { ...VIEW, isStopping: true };

const report = (node: string, more: Partial<StandbyReport> = {}): StandbyReport => ({
  node,
  isStandby: true,
  timeline: 1,
  lsn: 100n,
  receiverTimeoutMs: 2_000,
  ...more,
});
const heard = (heardMsAgo: number, from = 'p') => ({ receiver: { isStreaming: true, heardMsAgo, from } });
const cut = { sent: { timeline: 1 } };
const sentTo = (to: string, timeline = 1) => ({ sent: { timeline, to } });

const cutting: Contender = { phase: 'cutting', told: [], timeline: 1, onTimeline: ['a', 'b'] };
const adopting: Contender = { ...cutting, earlier: 'b' };
const repointing: Contender = { phase: 'repointing', told: [], timeline: 1, candidate: 'a' };
const promoting: Contender = { ...repointing, phase: 'promoting' };

interface Row {
  readonly when: string;
  readonly contender?: Contender;
  readonly view?: View;
  readonly event: Event;
  readonly work: object;
  /** Of the steps told. */
  readonly tells?: readonly string[];
}

const surveyed = (...reports: StandbyReport[]): Event => ({ kind: 'surveyed', reports });
const wereCut = (...reports: StandbyReport[]): Event => ({ kind: 'cut', reports });
const wereSent = (...reports: StandbyReport[]): Event => ({ kind: 'repointed', reports });
const refused = { work: { do: 'rest' }, tells: ['promotion-refused'] };
const backedOut = { work: { do: 'restore' }, tells: ['promotion-refused', 'backed-out'] };

const ROWS: readonly Row[] = [
  { when: 'there is a primary', view: BACK, event: { kind: 'looked' }, work: { do: 'nothing' } },
  { when: 'it stops', view: STOPPING, event: { kind: 'looked' }, work: { do: 'nothing' } },
  {
    when: 'the primary is gone',
    event: { kind: 'looked' },
    work: { do: 'lock', nodes: ['a', 'b'] },
  },
  {
    when: 'the primary has failed once',
    view: { ...VIEW, obstacle: { kind: 'too-early' } },
    event: { kind: 'looked' },
    work: { do: 'rest' },
  },
  {
    when: 'no majority answers',
    view: { ...VIEW, obstacle: { kind: 'no-majority', reachable: 1, needed: 2, configured: 3 } },
    event: { kind: 'looked' },
    ...refused,
  },
  {
    when: 'both are locked',
    event: { kind: 'locked', nodes: ['a', 'b'] },
    work: { do: 'survey' },
    tells: ['locks-taken'],
  },
  { when: 'another has a lock', event: { kind: 'locked', nodes: [], refusedBy: 'a' }, ...refused },
  { when: 'one can’t be locked', event: { kind: 'locked', nodes: ['a'] }, ...refused },
  {
    when: 'the primary is back before anything is touched',
    view: BACK,
    event: surveyed(report('a'), report('b')),
    work: { do: 'rest' },
  },
  {
    when: 'nobody hears anybody',
    event: surveyed(report('a'), report('b')),
    work: { do: 'cut', nodes: ['a', 'b'], timeline: 1 },
  },
  {
    when: 'one heard the primary just now',
    event: surveyed(report('a'), report('b', heard(1_400))),
    ...refused,
  },
  {
    when: 'what one hears is a black hole',
    event: surveyed(report('a'), report('b', heard(1_600))),
    work: { do: 'cut', nodes: ['a', 'b'], timeline: 1 },
  },
  {
    when: 'one never gives its primary up',
    event: surveyed(report('a'), report('b', { ...heard(60_000), receiverTimeoutMs: 0 })),
    ...refused,
  },
  {
    when: 'one hears the other',
    event: surveyed(report('a'), report('b', heard(0, 'a'))),
    work: { do: 'cut', nodes: ['a', 'b'], timeline: 1 },
  },
  {
    when: 'one is a primary already',
    event: surveyed(report('a', { isStandby: false }), report('b')),
    ...refused,
  },
  {
    when: 'one is on a newer timeline',
    event: surveyed(report('a', { timeline: 2 }), report('b')),
    ...refused,
  },
  {
    when: 'all were left behind by an earlier failover',
    view: { ...VIEW, timeline: 2 },
    event: surveyed(report('a'), report('b')),
    ...refused,
  },
  {
    when: 'both lack more than may be lost',
    event: surveyed(report('a', { lsn: 89n }), report('b', { lsn: 80n })),
    ...refused,
  },
  {
    when: 'nobody knows where the primary was',
    view: { ...VIEW, lastLsn: undefined } as never,
    event: surveyed(report('a'), report('b')),
    ...refused,
  },
  {
    when: 'one before has cut them off',
    event: surveyed(report('a', cut), report('b')),
    work: { do: 'cut', nodes: ['b'], timeline: 1 },
  },
  {
    when: 'one before has chosen',
    event: surveyed(report('a', { ...sentTo('b'), lsn: 101n }), report('b', cut)),
    work: { do: 'cut', nodes: ['b'], timeline: 1 },
  },
  {
    when: 'one before has chosen who is gone',
    event: surveyed(report('a', sentTo('p')), report('b', cut)),
    work: { do: 'cut', nodes: ['a'], timeline: 1 },
  },
  {
    when: 'one was sent in an earlier failover',
    view: { ...VIEW, timeline: 2 },
    event: surveyed(report('a', { ...sentTo('b', 1), timeline: 2 }), report('b', { timeline: 2 })),
    work: { do: 'cut', nodes: ['a', 'b'], timeline: 2 },
  },
  {
    when: 'one was sent to a stranger',
    event: surveyed(report('a', sentTo('10.0.0.9:5432')), report('b', cut)),
    ...refused,
  },
  {
    when: 'both are cut off: the one with the most',
    contender: cutting,
    event: wereCut(report('a', cut), report('b', { ...cut, lsn: 101n })),
    work: { do: 'repoint', nodes: ['a'], to: 'b', timeline: 1 },
    tells: ['cut-off', 'candidate-chosen'],
  },
  {
    when: 'both have the same: the first by name',
    contender: cutting,
    event: wereCut(report('b', cut), report('a', cut)),
    work: { do: 'repoint', nodes: ['b'], to: 'a', timeline: 1 },
    tells: ['cut-off', 'candidate-chosen'],
  },
  {
    when: 'the one with the most was left behind',
    contender: { ...cutting, onTimeline: ['a'] },
    event: wereCut(report('a', cut), report('b', { ...cut, lsn: 101n })),
    work: { do: 'repoint', nodes: ['b'], to: 'a', timeline: 1 },
    tells: ['cut-off', 'candidate-chosen'],
  },
  {
    when: 'an earlier choice is adopted, though another has more',
    contender: adopting,
    event: wereCut(report('a', { ...sentTo('b'), lsn: 101n }), report('b', { ...cut, lsn: 80n })),
    work: { do: 'repoint', nodes: [], to: 'b', timeline: 1 },
    tells: ['cut-off', 'candidate-chosen'],
  },
  { when: 'one could not be cut off', contender: cutting, event: wereCut(report('a', cut)), ...backedOut },
  {
    when: 'one still hears the primary when it is cut off',
    contender: cutting,
    event: wereCut(report('a', cut), report('b', { ...cut, ...heard(0) })),
    ...backedOut,
  },
  {
    when: 'an earlier choice is gone',
    contender: adopting,
    event: wereCut(report('a', sentTo('b'))),
    ...refused,
  },
  {
    when: 'the primary is back when they are cut off',
    contender: cutting,
    view: BACK,
    event: wereCut(report('a', cut), report('b', cut)),
    work: { do: 'restore' },
    tells: ['backed-out'],
  },
  {
    when: 'it stops when they are cut off',
    contender: cutting,
    view: STOPPING,
    event: wereCut(report('a', cut), report('b', cut)),
    work: { do: 'restore' },
    tells: ['backed-out'],
  },
  {
    when: 'the choice is recorded',
    contender: repointing,
    event: wereSent(report('a', cut), report('b', sentTo('a'))),
    work: { do: 'promote', node: 'a', timeline: 1, needed: 2 },
    tells: ['others-repointed'],
  },
  {
    when: 'the choice could not be recorded',
    contender: repointing,
    event: wereSent(report('a', cut), report('b', cut)),
    ...backedOut,
  },
  {
    when: 'the candidate is lost',
    contender: repointing,
    event: wereSent(report('b', sentTo('a'))),
    ...backedOut,
  },
  {
    when: 'the primary is back when the choice is recorded',
    contender: repointing,
    view: BACK,
    event: wereSent(report('a', cut), report('b', sentTo('a'))),
    work: { do: 'restore' },
    tells: ['backed-out'],
  },
  {
    when: 'there is a newer timeline when the choice is recorded',
    contender: repointing,
    view: { ...VIEW, timeline: 2 },
    event: wereSent(report('a', cut), report('b', sentTo('a'))),
    work: { do: 'restore' },
    tells: ['backed-out'],
  },
  {
    when: 'it is promoted',
    contender: promoting,
    view: BACK,
    event: { kind: 'promoted', timeline: 2 },
    work: { do: 'finish', node: 'a' },
    tells: ['promoted'],
  },
  {
    when: 'it is not promoted, or nobody knows',
    contender: promoting,
    event: { kind: 'not-promoted', cause: 'it is lost' },
    ...refused,
  },
];

describe('a contender', () => {
  test.each(ROWS)('$when', ({ contender = WATCHING, view = VIEW, event, work, tells = [] }) => {
    const decision = decide(contender, event, view);
    expect(decision.work).toEqual(work);
    expect(decision.tell.map(({ step }) => step)).toEqual(tells);
  });

  test('tells each refusal once, until there is a primary', () => {
    const isLocked: Event = { kind: 'locked', nodes: [], refusedBy: 'a' };
    const few: Event = { kind: 'locked', nodes: ['a'] };
    let contender = WATCHING;
    const told = [isLocked, few, isLocked, few].map((event) => {
      const decision = decide(contender, event, VIEW);
      ({ contender } = decision);
      return decision.tell.length;
    });
    expect(told).toEqual([1, 1, 0, 0]);
    ({ contender } = decide(contender, { kind: 'looked' }, BACK));
    expect(decide(contender, isLocked, VIEW).tell).toEqual([
      { step: 'promotion-refused', node: 'a', detail: 'another process holds the lock on a' },
    ]);
  });

  test('without a quorum promotes the only one there is', () => {
    const alone: View = { ...VIEW, configured: 2, needed: 1, names: ['p', 'a'], standbys: ['a'] };
    const chosen = decide({ ...cutting, onTimeline: ['a'] }, wereCut(report('a', cut)), alone);
    expect(chosen.work).toEqual({ do: 'repoint', nodes: [], to: 'a', timeline: 1 });
    expect(decide(chosen.contender, wereSent(report('a', cut)), alone).work).toMatchObject({ do: 'promote' });
  });
});
