import { ManualClock } from 'nestjs-pg-mcp/testing';
import { expect, it } from 'vitest';
import { Journal } from '../../lib/failover/journal.js';

const PROMOTED = { node: 'r1', detail: 'timeline 2' };

function openJournal() {
  const told: string[] = [];
  const clock = new ManualClock();
  const journal = new Journal({
    cluster: 'default',
    clock,
    emit: ({ step, node, elapsedMs }) => told.push(`${step} ${node} ${elapsedMs}`),
    ended: () => {},
  });
  return { journal, clock, told };
}

it('a promotion is told once, within its failover, by whoever sees it first', async () => {
  const { journal, clock, told } = openJournal();
  journal.began('failover', 'primary-lost', { node: 'p' });
  journal.promotes('r1');
  await clock.advance(100);
  // A probe saw it, and then the session that had asked for it.
  journal.promoted(PROMOTED);
  journal.ended('promoted', 'primary-found', PROMOTED);
  journal.promoted(PROMOTED);
  expect(told).toEqual(['primary-lost p 0', 'promoted r1 100', 'primary-found r1 100']);
});

it('a promotion is told where no failover is under way, as at the start', () => {
  const { journal, told } = openJournal();
  journal.promotes('r1');
  journal.promoted(PROMOTED);
  expect(told).toEqual(['promoted r1 0']);
});

it('a promotion is told where the former primary came back meanwhile', () => {
  const { journal, told } = openJournal();
  journal.began('failover', 'primary-lost', { node: 'p' });
  journal.promotes('r1');
  journal.ended('same-primary', 'primary-found', { node: 'p' });
  journal.promoted(PROMOTED);
  expect(told).toEqual(['primary-lost p 0', 'primary-found p 0', 'promoted r1 0']);
});

it.each<[string, (journal: Journal) => void]>([
  ['nobody here asked for', () => {}],
  ['another node was asked for', (journal) => journal.promotes('r2')],
  [
    'came to nothing',
    (journal) => {
      journal.promotes('r1');
      journal.notPromoted();
    },
  ],
])('a promotion that %s is not told', (_why, before) => {
  const { journal, told } = openJournal();
  before(journal);
  journal.promoted(PROMOTED);
  expect(told.filter((step) => step.startsWith('promoted'))).toEqual([]);
});
