import { describe, expect, test } from 'vitest';
import { judgeLeftover, type Tidying } from '../../lib/failover/leftovers.js';
import type { StandbyReport } from '../../lib/failover/standby-report.js';
import { unseen, type Health, type Topology } from '../../lib/topology/topology.js';

const topology = (former: Health, primary: 'p' | 'a' = 'a'): Topology => {
  const node = (name: string, health: Health) => ({
    ...unseen([{ name } as never]).nodes[0],
    name,
    settings: { name } as never,
    role: 'replica' as const,
    health,
    failures: 0,
    isLagging: false,
  });
  return {
    ...unseen([]),
    primary,
    newestTimeline: 2,
    nodes: [node('p', former), node('a', 'up'), node('b', 'up')],
  };
};
const report = (more: Partial<StandbyReport>): StandbyReport => ({
  node: 'b',
  isStandby: true,
  lsn: 1n,
  receiverTimeoutMs: 2_000,
  origin: 'p',
  ...more,
});
const hears = (from: string) => ({ receiver: { isStreaming: true, heardMsAgo: 0, from } });

const ROWS: readonly [what: string, report: StandbyReport, topology: Topology, tidying: Tidying][] = [
  ['follows the primary', report({ ...hears('p') }), topology('up', 'p'), 'nothing'],
  ['was never sent, its primary is down', report({}), topology('down'), 'repoint'],
  ['was never sent, its primary is fenced', report(hears('p')), topology('refused'), 'repoint'],
  [
    'was never sent, nobody knows where it leads',
    report({ origin: undefined } as never),
    topology('down'),
    'nothing',
  ],
  ['follows another replica', report({ ...hears('a'), origin: 'a' }), topology('up', 'p'), 'nothing'],
  ['was cut off for nothing', report({ sent: { timeline: 2 } }), topology('up', 'p'), 'restore'],
  [
    'was sent for nothing, and hears somebody',
    report({ sent: { timeline: 2, to: 'a' }, ...hears('a') }),
    topology('up', 'p'),
    'restore',
  ],
  ['was sent to the primary', report({ sent: { timeline: 1, to: 'a' } }), topology('down'), 'nothing'],
  ['was cut off and forgotten', report({ sent: { timeline: 1 } }), topology('down'), 'repoint'],
  [
    'was cut off, and its primary is one again',
    report({ sent: { timeline: 1 } }),
    topology('up', 'p'),
    'restore',
  ],
  [
    'was sent to one that is none any more',
    report({ sent: { timeline: 1, to: 'b' } }),
    topology('down'),
    'repoint',
  ],
  ['was promoted', report({ isStandby: false, sent: { timeline: 2 } }), topology('down'), 'nothing'],
];

describe('a replica that', () => {
  test.each(ROWS)('%s', (_what, report, topology, tidying) => {
    expect(judgeLeftover(report, topology)).toBe(tidying);
  });
});

test('nothing is tidied without a primary', () => {
  const { primary: _, ...without } = topology('down');
  expect(judgeLeftover(report({ sent: { timeline: 2 } }), without)).toBe('nothing');
});
