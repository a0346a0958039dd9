import { afterEach, describe, expect, test, vi } from 'vitest';
import { KnownText, KnownTexts } from '../../lib/pool/known-texts.js';

const times = (count: number, ms: number) => Array.from({ length: count }, () => ms);

function after(...calls: readonly number[]): KnownText {
  const known = new KnownText('SELECT 1');
  for (const ms of calls) known.took(ms);
  return known;
}

describe('a text is slow', () => {
  test.each<[string, readonly number[], boolean]>([
    ['never asked', [], false],
    ['always quick', times(100, 1), false],
    ['just at the border', times(100, 5), false],
    ['always beyond it', times(100, 6), true],
    ['once beyond any measure, and never again', [10_000, ...times(50, 0.2)], false],
    ['in frequent use, when this process stalls for ten seconds', [...times(50, 0.2), 10_000], false],
    ['slow for some calls in a row', times(3, 1_000), true],
    ['slow, then in between', [...times(20, 20), ...times(100, 4)], true],
    ['slow, then quick for a moment', [...times(20, 20), ...times(3, 0)], true],
    ['slow, then quick for long', [...times(20, 20), ...times(40, 1)], false],
    ['in between for long', times(100, 4), false],
  ])('%s: %j', (_, calls, isSlow) => {
    expect(after(...calls).isSlow).toBe(isSlow);
  });

  test('no more, when it can not be told for long', () => {
    const known = after(...times(20, 20));
    let unclear = 0;
    while (known.isSlow && unclear < 1_000) {
      known.took(undefined);
      unclear++;
    }
    expect(unclear).toBeGreaterThan(30);
    expect(unclear).toBeLessThan(100);
  });

  test.each([
    ['not since one stall kept many calls', 0, false],
    ['since one call after the other took long', 50, true],
  ])('%s', (_, apartMs, isSlow) => {
    const known = after();
    for (let call = 0; call < 8; call++)
      known.took(50, { sentAt: call * apartMs, answeredAt: (call + 1) * apartMs + 1 });
    expect(known.isSlow).toBe(isSlow);
  });

  test('once it was seen to hold up others, until it has been quick for some calls', () => {
    const known = after(...times(50, 0.2));
    known.heldUpOthers();
    expect(known.isSlow).toBe(true);
    let quick = 0;
    while (known.isSlow && quick < 100) {
      known.took(0.2);
      quick++;
    }
    expect(quick).toBeGreaterThan(10);
    expect(quick).toBeLessThan(30);
  });
});

describe('a text is quick', () => {
  const inTurn = (count: number, ...calls: readonly number[]) =>
    Array.from({ length: count }, () => calls).flat();

  test.each<[string, readonly number[], boolean]>([
    ['when it comes again before it was answered', [], true],
    ['always quick', times(50, 0.1), true],
    ['after a first call that had much to read', [3], true],
    ['never quite', times(20, 0.6), false],
    ['at times waiting for its turn on a busy server', inTurn(50, 0.01, 3, 0.01), true],
    ['more often waiting than not', inTurn(50, 0.01, 3, 1), true],
    ['seldom quick', inTurn(50, 0.1, 1, 1, 1), false],
    ['quick or long', inTurn(50, 0.1, 10), false],
    ['no more', [...times(100, 0.1), ...times(12, 0.6)], false],
    ['once again', [...times(100, 0.6), ...times(12, 0.1)], true],
  ])('%s', (_, calls, isQuick) => {
    const known = after(...calls);
    for (let use = 0; use < 2; use++) known.used();
    expect(known.isQuick).toBe(isQuick);
  });

  test('not when it is new', () => {
    const known = after(...times(50, 0.1));
    known.used();
    expect(known.isQuick).toBe(false);
  });

  test('again, when it can not be told for long', () => {
    const known = after(...times(50, 1));
    for (let use = 0; use < 2; use++) known.used();
    for (let call = 0; call < 120; call++) known.took(undefined);
    expect(known.isQuick).toBe(false);
    for (let call = 0; call < 20; call++) known.took(undefined);
    expect(known.isQuick).toBe(true);
    // And no quicker than one that is new.
    for (let call = 0; call < 1_000; call++) known.took(undefined);
    for (let call = 0; call < 3; call++) known.took(1);
    expect(known.isQuick).toBe(false);
  });

  test('and sociable, but not with the calls that are to show which of those of a group took long', () => {
    const known = after(0.1);
    for (let use = 0; use < 2; use++) known.used();
    expect(known.isSociable).toBe(true);
    known.suspected();
    const seen = [0, 1, 2, 3].map(() => {
      known.used();
      return [known.isQuick, known.isSociable];
    });
    expect(seen).toEqual([
      [true, false],
      [true, false],
      [true, true],
      [true, true],
    ]);
  });

  test('not when it has failed, until it was quick for some calls', () => {
    const known = after(...times(50, 0.1));
    for (let use = 0; use < 2; use++) known.used();
    known.failed();
    for (const isQuick of [false, false, false, true]) {
      known.took(0.1);
      expect(known.isQuick).toBe(isQuick);
    }
  });

  test('not when it was seen to hold up others, for some calls', () => {
    const known = after(...times(50, 0.1));
    for (let use = 0; use < 2; use++) known.used();
    known.heldUpOthers();
    known.took(0.1);
    expect(known.isQuick).toBe(false);
  });
});

test('texts that are alike are known as those that they are one of now', () => {
  const texts = new KnownTexts({ prepare: true });
  const common = 'SELECT a FROM t WHERE id = $1::integer';
  const alike = () => ({ text: common, numberIn: () => '1', giveUp: () => {} });
  const [before, after] = [alike(), alike()];
  const known = texts.of('SELECT a FROM t WHERE id = 1', before);
  expect(known.alike).toBe(before);
  expect(texts.of('SELECT a FROM t WHERE id = 2', after)).toBe(known);
  expect(known.alike).toBe(after);
  expect(texts.of(common, undefined).alike).toBe(after);
});

describe('a text that comes again', () => {
  test('is one that was sent before, however often it was looked at', () => {
    const texts = new KnownTexts({ prepare: true });
    texts.of('SELECT 1').used();
    expect([texts.of('SELECT 1').isRepeated, texts.of('SELECT 1').isRepeated]).toEqual([false, false]);
    texts.of('SELECT 1').used();
    expect(texts.of('SELECT 1').isRepeated).toBe(true);
    expect(texts.of('SELECT 2').isRepeated).toBe(false);
  });

  test('is none where it is too long to be kept by every connection', () => {
    const texts = new KnownTexts({ prepare: true });
    for (const [length, isRepeated] of [
      [16_384, true],
      [16_385, false],
    ] as const) {
      const text = 'x'.repeat(length);
      for (let use = 0; use < 3; use++) texts.of(text).used();
      expect([length, texts.of(text).isRepeated]).toEqual([length, isRepeated]);
    }
  });

  test('is one among 10,000 in turn, and none among more than 20,000', () => {
    for (const [distinct, repeated] of [
      [10_000, 10_000],
      [20_001, 0],
    ] as const) {
      const texts = new KnownTexts({ prepare: true });
      const seen = new Set<string>();
      for (let call = 0; call < 4 * distinct; call++) {
        const known = texts.of(`SELECT ${call % distinct}`);
        known.used();
        if (known.isRepeated) seen.add(known.text);
      }
      expect([distinct, seen.size]).toEqual([distinct, repeated]);
    }
  });
});

test('how often a text comes is counted in the calls of all', () => {
  const texts = new KnownTexts({ prepare: true });
  const [one, other] = [texts.of('SELECT 1'), texts.of('SELECT 2')];
  one.used();
  for (let call = 0; call < 3; call++) other.used();
  one.used();
  other.used();
  expect([one.interval, one.presentInterval]).toEqual([4, 4]);
  // Three gaps: 1, 1, 2.
  expect([other.interval, other.presentInterval]).toEqual([1, 1]);
  for (let call = 0; call < 9; call++) other.used();
  expect([one.interval, one.presentInterval]).toEqual([4, 10]);
});

test('how often a text comes is an average, in which one gap is not much', () => {
  const texts = new KnownTexts({ prepare: true });
  const [one, other] = [texts.of('SELECT 1'), texts.of('SELECT 2')];
  const after = (others: number) => {
    for (let call = 0; call < others; call++) other.used();
    one.used();
  };
  for (let turn = 0; turn < 20; turn++) after(99);
  expect(one.interval).toBe(100);
  after(199);
  expect(one.interval).toBe(125);
  for (let turn = 0; turn < 20; turn++) after(199);
  expect(one.interval).toBeGreaterThan(190);
});

describe('its name', () => {
  const nameOf = (text: string) => new KnownTexts({ prepare: true }).of(text).name;

  test.each([
    ['a short text', 'SELECT 1'],
    ['a long one', `SELECT ${'a, '.repeat(5_000)} b`],
    ['one in letters of several bytes', 'SELECT 1 AS "Größe – 大きさ"'],
  ])('fits into what the server keeps of one and is the same wherever it is asked: %s', (_, text) => {
    expect(Buffer.byteLength(nameOf(text))).toBeLessThanOrEqual(63);
    expect(nameOf(text)).toBe(nameOf(text));
    expect(nameOf(text)).toMatch(/^mcp_[\w-]+$/);
  });

  test('is its own', () => {
    const names = Array.from({ length: 1_000 }, (_, id) => nameOf(`SELECT ${id}`));
    expect(new Set(names).size).toBe(1_000);
  });
});

describe('preparing', () => {
  afterEach(() => vi.restoreAllMocks());

  test('is given up when prepared statements are gone before their time again and again, and says why once', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const texts = new KnownTexts({ prepare: true });
    texts.lostPrepared('node1');
    texts.lostPrepared('node2');
    expect([texts.isPreparing, warn.mock.calls.length]).toEqual([true, 0]);
    for (let loss = 0; loss < 5; loss++) texts.lostPrepared('node2');
    expect([texts.isPreparing, warn.mock.calls.length]).toEqual([false, 1]);
    expect(warn.mock.calls[0]?.[0]).toMatch(/node2.*PgBouncer.*connection_pool\.prepare/);
  });

  test('that is switched off says nothing', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const texts = new KnownTexts({ prepare: false });
    for (let loss = 0; loss < 5; loss++) texts.lostPrepared('node1');
    expect([texts.isPreparing, warn.mock.calls.length]).toEqual([false, 0]);
  });
});
