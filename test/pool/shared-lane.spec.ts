import { ManualClock } from 'nestjs-pg-mcp/testing';
import { describe, expect, test, vi } from 'vitest';
import type { PoolSettings } from '../../lib/config/settings.js';
import { ConnectionLostError } from '../../lib/errors.js';
import { Group } from '../../lib/pool/group.js';
import { KnownText } from '../../lib/pool/known-texts.js';
import type { Again, Answered } from '../../lib/pool/driver.js';
import { Pace } from '../../lib/pool/pace.js';
import type { PooledConnection } from '../../lib/pool/pooled-connection.js';
import { HeldUpError, SharedConnection } from '../../lib/pool/shared-connection.js';
import type { FakeAnswer, FakeConnection } from '../../lib/testing/fake-driver.js';
import { seeded } from '../support/seeded.js';
import { sure } from '../support/sure.js';
import { acquireMany, fakeOf, outcomeOf, poolUnderTest, type PoolUnderTest } from './pool-under-test.js';

const TICK = 10;
/** The oldest call is looked at after one tick for the first time, and has then three more. */
const PATIENCE = 4 * TICK;

interface Asked {
  readonly text: string;
  readonly known: KnownText;
  readonly on: SharedConnection;
  readonly connection: FakeConnection;
  /** How often it was told, and of what at last. */
  told: number;
  error?: unknown;
  rows?: readonly unknown[] | undefined;
}

/** A pool, and a server that answers shared calls when the test says so. */
class Lane {
  readonly under: PoolUnderTest;
  readonly #answers = new Map<string, (answer: FakeAnswer) => void>();
  #count = 0;

  constructor(settings: Partial<PoolSettings> = {}, random?: () => number) {
    this.under = poolUnderTest(settings, random && { random });
    this.under.driver.answer = ({ text }) =>
      text.startsWith('read') ? new Promise((answer) => this.#answers.set(text, answer)) : [];
  }

  /** With so many connections open and idle. */
  static async of(idle: number, settings: Partial<PoolSettings> = {}): Promise<Lane> {
    const lane = new Lane({ maxConnections: 10, ...settings });
    const { pool } = lane.under;
    for (const connection of await acquireMany(pool, idle)) pool.release(connection);
    return lane;
  }

  /** Sends one more call; undefined where there is no connection to share. */
  tryAsk(known = this.#next()): Asked | undefined {
    const on = this.under.pool.shared.take(known);
    return on && this.askOn(on, known);
  }

  #next(): KnownText {
    return new KnownText(`read ${++this.#count}`);
  }

  /** Of a text that has come before. */
  askAgain(tookMs: number): Asked {
    const known = this.#next();
    for (let use = 0; use < 2; use++) known.used();
    known.took(tookMs);
    return sure(this.tryAsk(known), 'a connection to share');
  }

  askOn(on: SharedConnection, known = this.#next()): Asked {
    const { text } = known;
    const asked: Asked = { text, known, on, connection: fakeOf(on.pooled), told: 0 };
    on.run({ text }, known, (error, result) => {
      asked.told++;
      asked.error = error;
      asked.rows = result?.rows;
    });
    return asked;
  }

  ask(): Asked {
    return sure(this.tryAsk(), 'a connection to share');
  }

  askMany(count: number): Asked[] {
    return Array.from({ length: count }, () => this.ask());
  }

  /** So many that are answered together. */
  askTogether(count: number): Asked[] {
    this.under.driver.group = new Group();
    try {
      return this.askMany(count);
    } finally {
      this.under.driver.group = undefined;
    }
  }

  async answer(asked: Asked | readonly Asked[], answer?: FakeAnswer): Promise<void> {
    for (const { text } of [asked].flat()) this.#answers.get(text)?.(answer ?? [text]);
    await this.under.settle();
  }
}

const idsOf = (asked: readonly Asked[]) => asked.map(({ connection }) => connection.id);
const isAnswered = ({ told, rows, text }: Asked) => told === 1 && rows?.[0] === text;
const isHeldUp = ({ told, error }: Asked) => told === 1 && error instanceof HeldUpError;
const isLost = ({ told, error }: Asked) => told === 1 && error instanceof ConnectionLostError;
const isWaiting = ({ told }: Asked) => told === 0;
const all = (asked: readonly Asked[], is: (asked: Asked) => boolean) => asked.every(is);

describe('a call', () => {
  test('goes to the connection on which fewest are under way', async () => {
    const lane = await Lane.of(4);
    const asked = lane.askMany(8);
    const [first, second, ...others] = [...new Set(idsOf(asked))];
    expect([first, second, ...others].length).toBe(4);
    for (const id of [first, second, ...others])
      expect(asked.filter(({ connection }) => connection.id === id).length).toBe(2);
    await lane.answer(sure(asked.find(({ connection }) => connection.id === second)));
    expect(lane.ask().connection.id).toBe(second);
    expect(lane.under.pool.shared.inFlight).toBe(8);
  });

  test('that was quick before goes with others, up to eight on each connection', async () => {
    const lane = await Lane.of(4);
    const ids = idsOf(Array.from({ length: 32 }, () => lane.askAgain(0.2)));
    const byEight = Array.from({ length: 4 }, (_, i) => [...new Set(ids.slice(8 * i, 8 * i + 8))]);
    expect(byEight.map((those) => those.length)).toEqual([1, 1, 1, 1]);
    expect(new Set(byEight.flat()).size).toBe(4);
  });

  test('that was not so quick, or is new, gets a connection without others while there is one', async () => {
    const lane = await Lane.of(4);
    const asked = [lane.askAgain(20), lane.askAgain(20), lane.ask(), lane.ask()];
    expect(new Set(idsOf(asked)).size).toBe(4);
  });

  test.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [7, 3],
    [8, 4],
    [100, 4],
  ])('of a pool of %i shares %i connections at most', async (maxConnections, most) => {
    const lane = await Lane.of(Math.min(8, maxConnections), { maxConnections });
    const asked = Array.from({ length: 20 }, () => lane.tryAsk()).filter((each) => each !== undefined);
    expect([asked.length, new Set(idsOf(asked)).size]).toEqual([most === 0 ? 0 : 20, most]);
    expect(lane.under.pool.shared.size).toBe(most);
  });

  test('goes to another one than that of a call that is not so quick, while there is one', async () => {
    const lane = await Lane.of(2, { maxConnections: 4 });
    const notSoQuick = lane.askAgain(20);
    expect(notSoQuick.known.isQuick).toBe(false);
    const quick = Array.from({ length: 8 }, () => lane.askAgain(0.1));
    expect(new Set(idsOf(quick)).size).toBe(1);
    expect(idsOf(quick)).not.toContain(notSoQuick.connection.id);
    // Both count eight now.
    await lane.answer(quick.slice(0, 1));
    expect(idsOf([lane.askAgain(0.1)])).toEqual(idsOf(quick.slice(0, 1)));
    await lane.answer(notSoQuick);
    expect(idsOf([lane.askAgain(0.1)])).toEqual(idsOf([notSoQuick]));
  });

  test('finds 255 others on its connection at most', async () => {
    const lane = await Lane.of(2, { maxConnections: 2 });
    const asked = lane.askMany(256);
    expect(lane.tryAsk()).toBeUndefined();
    await lane.answer(sure(asked[0]));
    expect(lane.tryAsk()).toBeDefined();
    expect(lane.tryAsk()).toBeUndefined();
  });

  test('has none to share where none is open', () => {
    expect(new Lane().tryAsk()).toBeUndefined();
  });

  test('that is not sent after all gives its connection back', async () => {
    const lane = await Lane.of(1);
    const { pool } = lane.under;
    pool.shared.putBack(sure(pool.shared.take(new KnownText('read'))));
    expect([pool.shared.size, pool.counts.idle]).toEqual([0, 1]);
    const asked = lane.ask();
    pool.shared.putBack(sure(pool.shared.take(new KnownText('read'))));
    expect(pool.shared.size).toBe(1);
    await lane.answer(asked);
    expect([isAnswered(asked), pool.counts.idle]).toEqual([true, 1 + (pool.counts.total - 1)]);
  });
});

describe('when all shared connections are busy', () => {
  test('another one is opened, and nobody waits for it', async () => {
    const lane = await Lane.of(1);
    const { driver, settle, pool } = lane.under;
    driver.hold();
    const asked = lane.askMany(5);
    expect([driver.held.length, new Set(idsOf(asked)).size]).toEqual([1, 1]);
    driver.held[0]?.accept();
    await settle();
    expect([lane.ask().connection.id, pool.shared.size]).toEqual([2, 2]);
  });

  test('and the pool is full, none is', async () => {
    const lane = await Lane.of(4, { maxConnections: 4 });
    const { pool, driver } = lane.under;
    await acquireMany(pool, 3);
    lane.askMany(5);
    expect([driver.attempts, pool.counts.total]).toEqual([4, 4]);
  });

  test('and connecting fails, nobody is told but the listener; nor is it tried at each call', async () => {
    const lane = await Lane.of(1);
    const { driver, settle, told } = lane.under;
    driver.refuse(new Error('refused'));
    const asked = lane.askMany(2);
    await settle();
    for (let round = 0; round < 10; round++) {
      asked.push(lane.ask());
      await settle();
    }
    expect([driver.attempts, told]).toEqual([2, ['connect failed: Error: refused']]);
    await lane.answer(asked);
    expect(all(asked, isAnswered)).toBe(true);
  });
});

describe('a connection goes back', () => {
  test('when its last call is answered, and not before', async () => {
    const lane = await Lane.of(1, { maxConnections: 2 });
    const { pool } = lane.under;
    const asked = lane.askMany(3);
    expect([pool.shared.size, pool.counts.active, pool.load]).toEqual([1, 1, 3]);
    await lane.answer(asked.slice(0, 2));
    expect([pool.shared.size, pool.counts.active, pool.load]).toEqual([1, 1, 1]);
    await lane.answer(asked);
    expect([pool.shared.size, pool.counts.active, pool.load]).toEqual([0, 0, 0]);
    expect(all(asked, isAnswered)).toBe(true);
  });

  test('when its last call has failed, to be used again', async () => {
    const lane = await Lane.of(1);
    const asked = lane.ask();
    await lane.answer(asked, new Error('SQL error'));
    expect([asked.told, asked.error]).toEqual([1, new Error('SQL error')]);
    expect(lane.under.pool.counts).toMatchObject({ idle: 1, active: 0 });
  });

  test('to who waits for one', async () => {
    const lane = await Lane.of(2, { maxConnections: 2 });
    const { pool } = lane.under;
    await pool.acquire();
    const asked = lane.askMany(2);
    const waiting = outcomeOf(pool.acquire());
    await lane.answer(sure(asked[0]));
    expect(waiting.isSettled).toBe(false);
    await lane.answer(sure(asked[1]));
    expect(waiting.value && fakeOf(waiting.value)).toBe(sure(asked[0]).connection);
  });

  test('all but one while somebody waits, with what is under way on them', async () => {
    const lane = await Lane.of(8, { maxConnections: 8 });
    const { pool } = lane.under;
    const asked = lane.askMany(8);
    await acquireMany(pool, 4);
    const waiting = Array.from({ length: 3 }, () => outcomeOf(pool.acquire()));
    const later = lane.askMany(6);
    const [kept] = idsOf(later);
    expect(new Set(idsOf(later))).toEqual(new Set([kept]));
    await lane.answer(asked.filter(({ connection }) => connection.id !== kept));
    expect(waiting.map(({ isSettled }) => isSettled)).toEqual([true, true, true]);
    await lane.answer([...asked, ...later]);
    expect(all([...asked, ...later], isAnswered)).toBe(true);
  });
});

describe('a connection that a call has for itself', () => {
  test('is shared where none is: those who wait for one of their own would never come to share again', async () => {
    const lane = await Lane.of(2, { maxConnections: 2 });
    const { pool } = lane.under;
    const [one, other] = await acquireMany(pool, 2);
    const waiting = outcomeOf(pool.acquire());
    expect(lane.tryAsk()).toBeUndefined();
    const shared = sure(pool.shared.adopt(sure(one)));
    expect(pool.shared.adopt(sure(other))).toBeUndefined();
    const asked = [lane.askOn(shared), lane.ask()];
    expect(new Set(idsOf(asked)).size).toBe(1);
    await lane.answer(asked);
    expect([all(asked, isAnswered), waiting.value]).toEqual([true, one]);
  });

  test('stays its own in a pool of one', async () => {
    const { pool } = (await Lane.of(1, { maxConnections: 1 })).under;
    expect(pool.shared.adopt(await pool.acquire())).toBeUndefined();
  });
});

describe('calls behind one that takes long', () => {
  test('are sent elsewhere, and that one goes on and is known as slow', async () => {
    const lane = await Lane.of(1, { maxConnections: 2 });
    const { clock, pool } = lane.under;
    const [oldest, ...behind] = lane.askMany(4) as [Asked, ...Asked[]];
    await clock.advance(PATIENCE - 1);
    expect(all([oldest, ...behind], isWaiting)).toBe(true);
    await clock.advance(1);
    expect(all(behind, isHeldUp)).toBe(true);
    expect([isWaiting(oldest), oldest.known.isSlow, sure(behind[0]).known.isSlow]).toEqual([
      true,
      true,
      false,
    ]);
    expect(lane.tryAsk()?.connection.id).not.toBe(oldest.connection.id);
    await lane.answer(oldest);
    expect(isAnswered(oldest)).toBe(true);
    // Their own answers come too, and nobody is told.
    expect(pool.shared.inFlight).toBeGreaterThan(0);
    await lane.answer(behind);
    expect(all(behind, isHeldUp)).toBe(true);
    expect(oldest.connection.isOpen).toBe(true);
  });

  test('stay while the oldest one changes', async () => {
    const lane = await Lane.of(1, { maxConnections: 2 });
    const asked = lane.askMany(10);
    for (const each of asked) {
      await lane.under.clock.advance(PATIENCE - TICK);
      await lane.answer(each);
    }
    expect(all(asked, isAnswered)).toBe(true);
  });

  test('stay when this process stalls, however long', async () => {
    const lane = await Lane.of(1, { maxConnections: 2 });
    const { clock } = lane.under;
    const asked = lane.askMany(3);
    const now = clock.now.bind(clock);
    let stalledMs = 0;
    vi.spyOn(clock, 'now').mockImplementation(() => now() + stalledMs);
    await clock.advance(TICK);
    stalledMs = 10_000;
    await clock.advance(TICK);
    expect(all(asked, isWaiting)).toBe(true);
    await lane.answer(asked);
    expect(all(asked, isAnswered)).toBe(true);
    expect(asked.some(({ known }) => known.isSlow)).toBe(false);
  });

  test('have the more patience the farther the server is away', async () => {
    const lane = await Lane.of(1, { maxConnections: 2 });
    const { clock } = lane.under;
    const first = lane.ask();
    await clock.advance(25);
    await lane.answer(first);
    const asked = lane.askMany(2);
    await clock.advance(PATIENCE + 2 * TICK);
    expect(all(asked, isWaiting)).toBe(true);
    await clock.advance(2 * TICK);
    expect(asked.map(isHeldUp)).toEqual([false, true]);
  });

  test('are sent elsewhere also from a connection that was on its way out', async () => {
    const lane = await Lane.of(1, { maxConnections: 2 });
    const { clock, pool } = lane.under;
    const [oldest, behind] = lane.askMany(2) as [Asked, Asked];
    pool.retire();
    await clock.advance(PATIENCE);
    expect([isWaiting(oldest), isHeldUp(behind)]).toEqual([true, true]);
    await lane.answer([oldest, behind]);
    expect([isAnswered(oldest), pool.history.closed.get('retired')]).toEqual([true, 1]);
  });
});

describe('calls that are answered together with one that takes long', () => {
  const isCancel = (line: string) => line.includes('pg_cancel_backend');

  test('are all sent elsewhere, any of them may be that one, and what goes on for nobody is cancelled', async () => {
    const lane = await Lane.of(2, { maxConnections: 2 });
    const { clock, pool, driver } = lane.under;
    const together = lane.askTogether(3);
    const [behind] = lane.askMany(1) as [Asked];
    const { connection } = sure(together[0]);
    await clock.advance(PATIENCE - 1);
    expect(all([...together, behind], isWaiting)).toBe(true);
    await clock.advance(1);
    expect(all([...together, behind], isHeldUp)).toBe(true);
    expect(together.map(({ known }) => known.isSlow)).toEqual([true, true, true]);
    expect(behind.known.isSlow).toBe(false);
    const other = sure(driver.connections.find(({ id }) => id !== connection.id));
    expect(driver.trace.filter(isCancel)).toEqual([expect.stringMatching(`^#${other.id} SELECT`)]);
    await clock.advance(10 * TICK);
    expect(driver.trace.filter(isCancel)).toHaveLength(1);
    // The word may come late: nobody else gets that connection.
    await lane.answer([...together, behind]);
    expect([all([...together, behind], isHeldUp), connection.isOpen, other.isOpen]).toEqual([
      true,
      false,
      true,
    ]);
    expect(pool.history.closed).toEqual(new Map([['retired', 1]]));
  });

  test('are not cancelled where they are over before there is a connection to ask on', async () => {
    const lane = await Lane.of(2, { maxConnections: 2 });
    const { clock, pool, driver } = lane.under;
    const together = lane.askTogether(2);
    const taken = await pool.acquire();
    await clock.advance(PATIENCE);
    expect(all(together, isHeldUp)).toBe(true);
    await lane.answer(together);
    pool.release(taken);
    await lane.under.settle();
    expect(driver.trace.filter(isCancel)).toEqual([]);
    expect(pool.counts).toMatchObject({ active: 0, pending: 0 });
  });

  test('but for the last of them, which can only be that one: it goes on', async () => {
    const lane = await Lane.of(2, { maxConnections: 2 });
    const { clock, driver } = lane.under;
    const together = lane.askTogether(3);
    const [behind] = lane.askMany(1) as [Asked];
    const last = sure(together[2]);
    await lane.answer(together.slice(0, 2));
    await clock.advance(PATIENCE);
    expect([isHeldUp(behind), isWaiting(last), last.known.isSlow]).toEqual([true, true, true]);
    await clock.advance(10 * TICK);
    await lane.answer(last);
    expect([isAnswered(last), last.connection.isOpen]).toEqual([true, true]);
    expect(driver.trace.filter(isCancel)).toEqual([]);
  });
});

describe('what calls took that are answered together', () => {
  /** What each of four was told, who are answered together; ahead of them may be another one. */
  async function toldOf(ms: { readonly before: number; readonly took: number; readonly isBehind: boolean }) {
    const lane = await Lane.of(1, { maxConnections: 2 });
    const { clock } = lane.under;
    const ahead = lane.ask();
    if (!ms.isBehind) {
      await clock.advance(ms.before);
      await lane.answer(ahead);
    }
    const together = lane.askTogether(4);
    if (ms.isBehind) {
      await clock.advance(ms.before);
      await lane.answer(ahead);
    }
    const took = vi.spyOn(KnownText.prototype, 'took');
    await clock.advance(ms.took);
    await lane.answer(together);
    const told = took.mock.calls.map(([ownMs]) => ownMs);
    took.mockRestore();
    const isApart = together.map(({ known }) => {
      for (let use = 0; use < 2; use++) known.used();
      return known.isQuick && !known.isSociable;
    });
    return { told, isApart: isApart.every(Boolean) || (isApart.some(Boolean) ? 'some' : false) };
  }
  const all = (ms: number | undefined) => [ms, ms, ms, ms];

  test.each([
    ['a quarter each, behind another one', { before: 9, took: 4, isBehind: true }, all(1), true],
    ['and quick ones too', { before: 9, took: 0.4, isBehind: true }, all(0.1), false],
    [
      'beyond the way there, where they are quick',
      { before: 0.8, took: 1.6, isBehind: false },
      all(0.196),
      false,
    ],
    ['nothing, where others take as long', { before: 9, took: 4, isBehind: false }, all(undefined), false],
    ['the same, but long ones are suspects', { before: 9, took: 18, isBehind: false }, all(undefined), true],
    [
      'one of them where it stands out, which may be a stall',
      { before: 1, took: 9, isBehind: false },
      [1.995, undefined, undefined, undefined],
      true,
    ],
  ])('is told: %s', async (_, ms, told, isApart) => {
    const said = await toldOf(ms);
    expect(said.told.map((own) => own && Math.round(own * 1_000) / 1_000)).toEqual(told);
    expect(said.isApart).toBe(isApart);
  });
});

test('a call that is sent again is behind those that were sent meanwhile, and by itself', async () => {
  const sent: { answered: Answered; again: Again }[] = [];
  const group = new Group();
  const pooled = {
    pipeline: (_statement: unknown, _known: unknown, answered: Answered, again: Again) => {
      sent.push({ answered, again });
      return sent.length < 3 ? group : undefined;
    },
  } as unknown as PooledConnection;
  const clock = new ManualClock();
  const shared = new SharedConnection(pooled, { clock, pace: new Pace(), onQuiet: () => {} });
  const told: string[] = [];
  const texts = ['failing', 'skipped', 'slow'].map((text) => new KnownText(text));
  for (const known of texts)
    shared.run({ text: known.text }, known, (error) => told.push(`${known.text}: ${String(error)}`));
  const [failing, skipped, slow] = sent as [(typeof sent)[0], (typeof sent)[0], (typeof sent)[0]];
  failing.answered(new Error('of its own'));
  expect(skipped.again()).toBe(true);
  // The slow one is the first now, and the other one is held up by it.
  expect(shared.sendOthersElsewhere('node1')).toBe(false);
  expect(texts.map(({ isSlow }) => isSlow)).toEqual([false, false, true]);
  expect(skipped.again()).toBe(false);
  slow.answered(undefined, { rows: [], rowCount: 0, command: 'SELECT', fields: [] });
  skipped.answered(new Error('nobody hears it'));
  expect([told, shared.inFlight]).toEqual([
    [
      'failing: Error: of its own',
      'skipped: HeldUpError: a call on node1 waits behind another one that takes long',
      'slow: undefined',
    ],
    0,
  ]);
});

describe('a call that has a connection to itself', () => {
  /** So many calls that took so long each. */
  async function alone({ pool, clock }: PoolUnderTest, known: KnownText, calls: number, ms: number) {
    for (let call = 0; call < calls; call++) {
      const sentAt = clock.now();
      await clock.advance(ms);
      pool.shared.tookAlone(known, sentAt);
    }
  }

  test('counts for what it took beyond others', async () => {
    const { under } = await Lane.of(1);
    const [quick, slow] = [new KnownText('quick'), new KnownText('slow')];
    await alone(under, quick, 1, 1);
    await alone(under, slow, 50, 200);
    expect([quick.isSlow, slow.isSlow]).toEqual([false, true]);
  });

  test('counts for nothing where all take as long: the server may be far, or busy', async () => {
    const { under } = await Lane.of(1);
    const known = new KnownText('SELECT 1');
    await alone(under, known, 20, 30);
    await alone(under, known, 20, 50);
    expect(known.isSlow).toBe(false);
  });
});

describe('with calls under way', () => {
  test('retire: they are answered, new ones get another connection', async () => {
    const lane = await Lane.of(2, { maxConnections: 4 });
    const { pool, settle } = lane.under;
    const asked = lane.askMany(4);
    pool.retire();
    await settle();
    expect(pool.shared.size).toBe(2);
    expect(lane.tryAsk()).toBeUndefined();
    await lane.answer(asked);
    expect([all(asked, isAnswered), pool.shared.size]).toEqual([true, 0]);
    expect(pool.history.closed.get('retired')).toBe(2);
  });

  test('fence: all fail at once, as lost', async () => {
    const lane = await Lane.of(2);
    const { pool, settle, clock } = lane.under;
    const asked = lane.askMany(6);
    pool.fence(new Error('down'));
    expect(pool.load).toBeGreaterThanOrEqual(0);
    expect(lane.tryAsk()).toBeUndefined();
    await settle();
    expect(all(asked, isLost)).toBe(true);
    expect([pool.load, pool.shared.size, pool.counts.total]).toEqual([0, 0, 0]);
    await clock.advance(1_000);
  });

  test('close: they are waited for', async () => {
    const lane = await Lane.of(1);
    const { pool, settle } = lane.under;
    const asked = lane.askMany(3);
    const closing = outcomeOf(pool.close(5_000));
    expect(lane.tryAsk()).toBeUndefined();
    await settle();
    expect(closing.isSettled).toBe(false);
    await lane.answer(asked);
    expect([all(asked, isAnswered), closing.isSettled]).toEqual([true, true]);
  });

  test('close: what does not end in time is cut, and no timer is left', async () => {
    const lane = await Lane.of(1);
    const { pool, clock } = lane.under;
    const asked = lane.askMany(3);
    const closing = outcomeOf(pool.close(5_000));
    await clock.advance(5_000);
    expect([all(asked, isLost), closing.isSettled, clock.pending]).toEqual([true, true, 0]);
  });

  test('the connection breaks: all fail as lost, those on others go on', async () => {
    const lane = await Lane.of(2);
    const { pool, settle } = lane.under;
    const asked = lane.askMany(6);
    const [{ connection }] = asked as [Asked];
    connection.break();
    await settle();
    const [broken, others] = [true, false].map((is) =>
      asked.filter((each) => (each.connection === connection) === is),
    ) as [Asked[], Asked[]];
    expect([all(broken, isLost), all(others, isWaiting)]).toEqual([true, true]);
    expect([pool.shared.size, pool.history.closed.get('lost')]).toEqual([1, 1]);
    await lane.answer(others);
    expect(all(others, isAnswered)).toBe(true);
  });
});

test('a connection that never gets quiet is replaced at its age', async () => {
  const lane = await Lane.of(1, { maxConnections: 2, maxLifetimeMs: 1_000 });
  const { clock, pool } = lane.under;
  let running = lane.ask();
  const first = running.connection;
  for (let ms = 0; ms < 2_000 && first.isOpen; ms += TICK) {
    const next = lane.tryAsk();
    await lane.answer(running);
    if (next) running = next;
    else running = lane.askOn(sure(pool.shared.adopt(await pool.acquire())));
    await clock.advance(TICK);
  }
  expect([first.isOpen, clock.now() >= 1_000, pool.history.closed.get('lifetime')]).toEqual([false, true, 1]);
});

test('a lane that is not used sets no timer', async () => {
  const lane = await Lane.of(1);
  const { clock } = lane.under;
  const before = clock.pending;
  await lane.answer(lane.ask());
  await clock.advance(5 * TICK);
  expect(clock.pending).toBe(before);
});

describe('a call that is never answered', () => {
  test('has its connection cut when statement_timeout is long over', async () => {
    const lane = await Lane.of(1, { maxConnections: 2, statementTimeoutMs: 200 });
    const { clock, pool } = lane.under;
    const asked = lane.ask();
    await clock.advance(2_100);
    expect(isWaiting(asked)).toBe(true);
    await clock.advance(200);
    expect(isLost(asked)).toBe(true);
    expect([pool.counts.active, pool.history.closed.get('lost')]).toEqual([0, 1]);
  });

  test('is waited for where there is no statement_timeout', async () => {
    const lane = await Lane.of(1, { maxConnections: 2 });
    const asked = lane.ask();
    await lane.under.clock.advance(60_000);
    expect(isWaiting(asked)).toBe(true);
  });
});

describe('whatever happens', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });

  test.each([1, 2, 3, 4])(
    'each call is told once, and no connection is lost sight of (seed %i)',
    async (seed) => {
      const random = seeded(seed);
      const maxConnections = 6;
      const settings = { maxConnections, minConnections: 1, maxLifetimeMs: 3_000, idleTimeoutMs: 1_000 };
      const lane = new Lane({ ...settings, acquireTimeoutMs: 500, statementTimeoutMs: 300 }, random);
      const { pool, driver, clock, settle } = lane.under;
      const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
      const open = new Set<Asked>();
      const outcomes = { answered: 0, failed: 0, heldUp: 0, lost: 0, alone: 0 };
      const holders = new Set<Awaited<ReturnType<typeof pool.acquire>>>();
      await pool.warm();

      const steps: readonly (readonly [number, () => unknown])[] = [
        [
          40,
          () => {
            const asked = lane.tryAsk();
            if (asked) open.add(asked);
            else outcomes.alone++;
          },
        ],
        [34, () => lane.answer([...open].slice(0, 1 + Math.floor(random() * 6)))],
        [3, () => lane.answer([...open].slice(0, 1), new Error('SQL error'))],
        [8, () => clock.advance(Math.floor(random() * 100))],
        [
          8,
          () =>
            void pool.acquire().then(
              (holder) => holders.add(holder),
              () => {},
            ),
        ],
        [
          8,
          () => {
            const holder = pick([...holders]);
            if (!holder) return;
            holders.delete(holder);
            const shared = random() < 0.3 ? pool.shared.adopt(holder) : undefined;
            if (shared) open.add(lane.askOn(shared));
            else pool.release(holder);
          },
        ],
        [2, () => pick(driver.open)?.break()],
        [0.5, () => pool.retire()],
        [0.4, () => (holders.clear(), pool.fence(new Error('fenced')))],
        [0.5, () => driver.refuse(refused)],
        [3, () => driver.accept()],
      ];
      const total = steps.reduce((sum, [share]) => sum + share, 0);
      for (let count = 0; count < 4_000; count++) {
        let point = random() * total;
        await sure(steps.find(([share]) => (point -= share) < 0))[1]();
        await settle();
        for (const asked of open) {
          if (isWaiting(asked)) continue;
          open.delete(asked);
          expect(asked.told).toBe(1);
          if (isAnswered(asked)) outcomes.answered++;
          else if (isHeldUp(asked)) outcomes.heldUp++;
          else if (isLost(asked)) outcomes.lost++;
          else outcomes.failed++;
        }
        const { total: connections, active } = pool.counts;
        expect(connections).toBeLessThanOrEqual(maxConnections);
        expect(pool.shared.size).toBe(active - holders.size);
        // Those that were sent elsewhere are still under way on the server.
        expect(pool.shared.inFlight).toBeGreaterThanOrEqual(open.size);
        expect(pool.load).toBeGreaterThanOrEqual(0);
      }
      const closing = outcomeOf(pool.close(1_000));
      await clock.advance(1_000);
      expect([closing.isSettled, driver.open, pool.counts.total, pool.shared.size]).toEqual([true, [], 0, 0]);
      expect([...open].filter(isWaiting)).toEqual([]);
      expect(clock.pending).toBe(0);
      for (const [what, count] of Object.entries(outcomes)) expect([what, count > 10]).toEqual([what, true]);
    },
  );
});
