import { expect, test } from 'vitest';
import { AcquireTimeoutError, codeOf } from '../../lib/errors.js';
import type { PooledConnection } from '../../lib/pool/pooled-connection.js';
import { fakeOf, poolUnderTest, type PoolUnderTest } from './pool-under-test.js';
import { seeded } from '../support/seeded.js';

const SEEDS = [1, 2, 3, 4];
const STEPS = 3_000;
/** Load comes in waves: steps from a flood to a lull and back. */
const WAVE = 80;
const SIZE = { minConnections: 3, maxConnections: 5 };
const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });

type Step = readonly [share: number, step: () => void | Promise<void>];

/** Callers without manners and a network without mercy, with what must hold whatever they do. */
class Model {
  readonly #random: () => number;
  readonly under: PoolUnderTest;
  readonly #flood: readonly Step[];
  readonly #lull: readonly Step[];
  #count = 0;
  readonly #holders = new Set<PooledConnection>();
  /** Those whose connection a fence took away: they will still give it back. */
  readonly #fenced = new Set<PooledConnection>();
  readonly #waiting = new Set<number>();
  #callers = 0;
  served = 0;
  readonly refusals = new Map<string, number>();

  constructor(seed: number) {
    this.#random = seeded(seed);
    this.under = poolUnderTest(
      {
        ...SIZE,
        idleTimeoutMs: 4_000,
        maxLifetimeMs: 12_000,
        acquireTimeoutMs: 2_000,
        connectionTimeoutMs: 1_500,
        keepaliveIntervalMs: 3_000,
      },
      { random: this.#random },
    );
    this.#flood = this.#steps(40, 20, 12, 400);
    this.#lull = this.#steps(12, 30, 30, 3_000);
    // One answer in five is late, one in twenty an error.
    const { clock, driver } = this.under;
    driver.answer = async () => {
      const dice = this.#random();
      if (dice < 0.2) await new Promise<void>((resolve) => clock.setTimer(resolve, dice * 4_000));
      return dice > 0.95 ? new Error('SQL error') : [];
    };
  }

  #steps(acquire: number, giveBack: number, advance: number, mostMs: number): readonly Step[] {
    const { driver, pool } = this.under;
    return [
      [acquire, () => this.#acquire()],
      [giveBack, () => this.#withHolder((holder) => this.#giveBack(holder))],
      [advance, () => this.#advance(mostMs)],
      [8, () => this.#withHolder((holder) => void holder.query({ text: 'SELECT 1' }).catch(() => {}))],
      [2, () => this.#withHolder((holder) => void holder.query({ text: 'BEGIN' }).catch(() => {}))],
      [4, () => this.#withHolder((holder) => void (holder.isTainted = true))],
      [2, () => this.#pick(driver.open)?.break()],
      [1, () => driver.refuse(refused)],
      [4, () => driver.accept()],
      [2, () => driver.hold()],
      [8, () => this.#pick(driver.held)?.accept()],
      [2, () => this.#pick(driver.held)?.refuse(refused)],
      [0.5, () => pool.retire()],
      [0.5, () => this.#fence()],
      [2, () => this.#comeLate()],
    ];
  }

  async step(): Promise<void> {
    const isFlood = Math.floor(this.#count++ / WAVE) % 2 === 0;
    const steps = isFlood ? this.#flood : this.#lull;
    const total = steps.reduce((sum, [share]) => sum + share, 0);
    let point = this.#random() * total;
    const [, step] = steps.find(([share]) => (point -= share) < 0) ?? [0, () => {}];
    await step();
    await this.under.settle();
    this.check();
  }

  check(): void {
    const { pool, driver } = this.under;
    const { total, active, idle, pending, max } = pool.counts;
    const { opened, closed } = pool.history;
    const gone = [...closed.values()].reduce((sum, count) => sum + count, 0);
    expect(total).toBeLessThanOrEqual(max);
    // A connection is open, connecting, or broken in the hands of a caller; nowhere twice and nowhere lost.
    expect(opened - gone).toBe(total - driver.held.length);
    expect(driver.open.length).toBeLessThanOrEqual(total - driver.held.length);
    expect(pending).toBe(this.#waiting.size);
    if (pending > 0) expect(idle).toBe(0);
    expect(active).toBe(this.#holders.size);
  }

  async end(): Promise<void> {
    const { pool, driver, clock } = this.under;
    driver.hold();
    const closing = pool.close(5_000);
    for (const holder of this.#holders) if (this.#random() < 0.5) this.#giveBack(holder);
    await clock.advance(5_000);
    await closing;
    await this.under.settle();
    // The others were cut at the end of the drain time.
    this.#holders.clear();
    this.check();
    const gone = [...pool.history.closed.values()].reduce((sum, count) => sum + count, 0);
    expect(driver.open).toEqual([]);
    expect(driver.held).toEqual([]);
    expect(pool.counts).toMatchObject({ total: 0, active: 0, idle: 0, pending: 0 });
    expect(gone).toBe(pool.history.opened);
    const attempts = driver.attempts;
    await clock.advance(60_000);
    expect(driver.attempts).toBe(attempts);
    expect(this.#waiting.size).toBe(0);
    expect(clock.pending).toBe(0);
  }

  #acquire(): void {
    const caller = ++this.#callers;
    const began = this.under.clock.now();
    this.#waiting.add(caller);
    this.under.pool.acquire().then(
      (connection) => {
        this.#waiting.delete(caller);
        this.served++;
        expect(this.#holders.has(connection)).toBe(false);
        expect([connection.isTainted, fakeOf(connection).transactionStatus]).toEqual([false, 'I']);
        this.#holders.add(connection);
      },
      (error: unknown) => {
        this.#waiting.delete(caller);
        const code = codeOf(error) ?? 'none';
        this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
        expect(['ACQUIRE_TIMEOUT', 'CONNECT_FAILED', 'CLUSTER_CLOSED']).toContain(code);
        if (error instanceof AcquireTimeoutError)
          expect([error.elapsedMs, this.under.clock.now() - began]).toEqual([2_000, 2_000]);
      },
    );
  }

  #giveBack(holder: PooledConnection): void {
    this.#holders.delete(holder);
    this.under.pool.release(holder);
  }

  async #advance(most: number): Promise<void> {
    const { clock, pool } = this.under;
    const before = pool.counts;
    await clock.advance(Math.floor(this.#random() * most));
    // By itself a pool only shrinks, or grows to its minimum.
    if (before.pending === 0)
      expect(pool.counts.total).toBeLessThanOrEqual(Math.max(before.total, SIZE.minConnections));
  }

  #fence(): void {
    for (const holder of this.#holders) this.#fenced.add(holder);
    this.#holders.clear();
    this.under.pool.fence(new Error('fenced'));
  }

  #comeLate(): void {
    const holder = this.#pick([...this.#fenced]);
    if (holder) this.under.pool.release(holder);
  }

  #withHolder(use: (holder: PooledConnection) => void): void {
    const holder = this.#pick([...this.#holders]);
    if (holder) use(holder);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }
}

test.each(SEEDS)(`${STEPS} random steps keep every promise of the pool (seed %i)`, async (seed) => {
  const model = new Model(seed);
  await model.under.pool.warm();
  for (let count = 0; count < STEPS; count++) await model.step();
  await model.end();
  // The walk went through the places it is meant to test.
  expect(model.served).toBeGreaterThan(100);
  expect([...model.refusals.keys()].toSorted()).toEqual(
    expect.arrayContaining(['ACQUIRE_TIMEOUT', 'CONNECT_FAILED']),
  );
  expect(model.under.pool.history.closed.size).toBeGreaterThan(5);
});
