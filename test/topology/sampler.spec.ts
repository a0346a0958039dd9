import { ManualClock } from 'nestjs-pg-mcp/testing';
import { expect, it } from 'vitest';
import { Sampler } from '../../lib/topology/sampler.js';

/** A sampler whose samples take so long, and when each began. */
function samplerTaking(ms: number, bringsNews: () => boolean = () => true) {
  const clock = new ManualClock();
  const began: number[] = [];
  let [running, most] = [0, 0];
  const sampler = new Sampler(clock, async () => {
    began.push(clock.now());
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => void clock.setTimer(resolve, ms));
    running--;
    return bringsNews();
  });
  return { sampler, clock, began, mostAtOnce: () => most };
}

it('takes none unless one is wanted', async () => {
  const { clock, began } = samplerTaking(1);
  await clock.advance(1_000);
  expect(began).toEqual([]);
});

it('takes one at once, for all who want it until then', async () => {
  const { sampler, clock, began } = samplerTaking(1);
  for (let i = 0; i < 5; i++) sampler.wanted();
  await clock.advance(1_000);
  expect(began).toEqual([0]);
});

it('begins the next no closer than 20 ms', async () => {
  const { sampler, clock, began } = samplerTaking(1);
  for (let ms = 0; ms < 99; ms++) {
    sampler.wanted();
    await clock.advance(1);
  }
  expect(began).toEqual([0, 20, 40, 60, 80]);
});

it('begins at once where the last lies 20 ms back', async () => {
  const { sampler, clock, began } = samplerTaking(1);
  sampler.wanted();
  await clock.advance(20);
  sampler.wanted();
  await clock.advance(0);
  expect(began).toEqual([0, 20]);
});

it('takes one more for all who asked during one, when that is over: it may have begun too early for them', async () => {
  const { sampler, clock, began, mostAtOnce } = samplerTaking(50);
  sampler.wanted();
  await clock.advance(10);
  sampler.wanted();
  sampler.wanted();
  await clock.advance(39);
  expect(began).toEqual([0]);
  await clock.advance(1_000);
  expect(began).toEqual([0, 50]);
  expect(mostAtOnce()).toBe(1);
});

it.each([
  ['before the first', 0, []],
  ['between two', 5, [0]],
  ['during one, with another wanted', 1, [0]],
])('takes none after it was stopped %s', async (_when, afterMs, expected) => {
  const { sampler, clock, began } = samplerTaking(2);
  sampler.wanted();
  if (afterMs > 0) await clock.advance(afterMs);
  sampler.wanted();
  sampler.stop();
  sampler.wanted();
  await clock.advance(1_000);
  expect(began).toEqual(expected);
  expect(clock.pending).toBe(0);
});

it('takes none for who asks after it was stopped', async () => {
  const { sampler, clock, began } = samplerTaking(2);
  sampler.stop();
  sampler.wanted();
  await clock.advance(1_000);
  expect([began, clock.pending]).toEqual([[], 0]);
});

it('takes them less and less often while they bring nothing new, and at once again when something may', async () => {
  let isNews = false;
  const { sampler, clock, began } = samplerTaking(0, () => isNews);
  const wantFor = async (ms: number) => {
    for (let at = 0; at < ms; at++) {
      sampler.wanted();
      await clock.advance(1);
    }
  };
  await wantFor(2_000);
  const gaps = began.slice(1).map((at, i) => at - (began[i] ?? 0));
  expect(gaps.slice(0, 14)).toEqual([...Array.from({ length: 10 }, () => 20), 40, 80, 160, 250]);
  const before = began.length;
  sampler.wanted(true);
  await clock.advance(20);
  expect(began.length).toBe(before + 1);
  isNews = true;
  await wantFor(100);
  expect(began.slice(-4).map((at, i, all) => at - (all[i - 1] ?? at))).toEqual([0, 20, 20, 20]);
});
