import { describe, expect, it, test } from 'vitest';
import { KeptTexts } from '../../lib/execution/kept-texts.js';

const MINUTE = 60_000;

describe('a text that conflicts', () => {
  test.each<[string, readonly number[], number, string | undefined]>([
    ['once', [0], 0, undefined],
    ['twice', [0, 1], 1, undefined],
    ['three times', [0, 1, 2], 2, 'recovery-conflicts'],
    ['three times just within a minute', [0, 1, MINUTE - 1], MINUTE - 1, 'recovery-conflicts'],
    ['three times in a minute or more', [0, 1, MINUTE], MINUTE, undefined],
    ['twice, and twice again a minute later', [0, 1, MINUTE, MINUTE + 1], MINUTE + 1, undefined],
    [
      'three times from the second minute on',
      [0, MINUTE, MINUTE + 1, MINUTE + 2],
      MINUTE + 2,
      'recovery-conflicts',
    ],
    [
      'again while it is kept, the first time in a minute',
      [0, 1, MINUTE - 1, MINUTE],
      2 * MINUTE - 2,
      'recovery-conflicts',
    ],
    [
      'again while it is kept: no longer than from the third time',
      [0, 1, MINUTE - 1, MINUTE],
      2 * MINUTE - 1,
      undefined,
    ],
    ['three times, almost a minute ago', [0, 1, 2], MINUTE + 1, 'recovery-conflicts'],
    ['three times, a minute ago', [0, 1, 2], MINUTE + 2, undefined],
    ['four times: a minute from the last', [0, 1, 2, 3], MINUTE + 2, 'recovery-conflicts'],
  ])('%s', (_, conflicts, now, reason) => {
    const texts = new KeptTexts();
    for (const at of conflicts) texts.conflicted('a', at);
    expect(texts.reasonFor('a', now)).toBe(reason);
    expect(texts.reasonFor('b', now)).toBeUndefined();
  });
});

describe('a text that a replica answered otherwise', () => {
  it('is kept for a minute', () => {
    const texts = new KeptTexts();
    texts.differed('a', 10);
    expect([10, MINUTE + 9, MINUTE + 10].map((now) => texts.reasonFor('a', now))).toEqual([
      'replica-differs',
      'replica-differs',
      undefined,
    ]);
  });

  it('is kept a minute from the last time', () => {
    const texts = new KeptTexts();
    texts.differed('a', 0);
    texts.differed('a', 100);
    expect(texts.reasonFor('a', MINUTE + 99)).toBe('replica-differs');
  });

  it('stays kept when a call that was under way conflicts', () => {
    const texts = new KeptTexts();
    texts.differed('a', 0);
    texts.conflicted('a', 1);
    expect(texts.reasonFor('a', 2)).toBe('replica-differs');
  });
});

describe('the texts remembered', () => {
  it('are 500 at most, and the oldest goes first', () => {
    const texts = new KeptTexts();
    for (let i = 0; i <= 500; i++) texts.differed(`text ${i}`, 0);
    expect([0, 1, 500].map((i) => texts.reasonFor(`text ${i}`, 1))).toEqual([
      undefined,
      'replica-differs',
      'replica-differs',
    ]);
  });

  it('are the older the longer nothing was told of them', () => {
    const texts = new KeptTexts();
    for (let i = 0; i < 500; i++) texts.differed(`text ${i}`, 0);
    texts.differed('text 0', 0);
    texts.differed('another', 0);
    expect([texts.reasonFor('text 0', 1), texts.reasonFor('text 1', 1)]).toEqual([
      'replica-differs',
      undefined,
    ]);
  });
});
