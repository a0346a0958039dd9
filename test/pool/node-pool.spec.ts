import { describe, expect, test } from 'vitest';
import { AcquireTimeoutError, ConnectError } from '../../lib/errors.js';
import type { PooledConnection } from '../../lib/pool/pooled-connection.js';
import { acquireMany, fakeOf, outcomeOf, poolUnderTest } from './pool-under-test.js';

const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
const full = Object.assign(new Error('sorry, too many clients already'), { code: '53300' });
const closed = (pool: { history: { closed: ReadonlyMap<string, number> } }) =>
  Object.fromEntries(pool.history.closed);

describe('the minimum', () => {
  test('is opened by warm, at once and together', async () => {
    const { pool, driver } = poolUnderTest({ minConnections: 3 });
    driver.hold();
    const warming = outcomeOf(pool.warm());
    expect(driver.held.length).toBe(3);
    expect(pool.counts).toMatchObject({ total: 3, idle: 0 });
    for (const attempt of driver.held.slice()) attempt.accept();
    await expect.poll(() => warming.isSettled).toBe(true);
    expect(pool.counts).toEqual({ total: 3, active: 0, idle: 3, pending: 0, max: 5 });
    await pool.warm();
    expect(driver.attempts).toBe(3);
  });

  test('warm rejects with what kept a connection from opening', async () => {
    const { pool, driver, told } = poolUnderTest({ minConnections: 2 });
    driver.refuse(refused);
    await expect(pool.warm()).rejects.toMatchObject({ code: 'CONNECT_FAILED', cause: refused });
    expect(told).toEqual(['connect failed: Error: refused', 'connect failed: Error: refused']);
  });

  test('is made up in full once the server is back', async () => {
    const { pool, driver, clock } = poolUnderTest({ minConnections: 3 });
    driver.refuse(refused);
    await pool.warm().catch(() => {});
    driver.accept();
    await clock.advance(100);
    expect(pool.counts).toMatchObject({ total: 3, idle: 3 });
  });

  test('is kept when a connection breaks, and the listener hears of it', async () => {
    const { pool, driver, settle, told } = poolUnderTest({ minConnections: 2 });
    await pool.warm();
    driver.connections[0]?.break(new Error('gone'));
    await settle();
    expect(pool.counts).toMatchObject({ total: 2, idle: 2 });
    expect(told).toEqual(['lost: gone']);
    expect(closed(pool)).toEqual({ lost: 1 });
  });
});

describe('the maximum', () => {
  test('counts those connecting', async () => {
    const { pool, driver } = poolUnderTest({ maxConnections: 3 });
    driver.hold();
    for (let i = 0; i < 10; i++) void outcomeOf(pool.acquire());
    expect(driver.held.length).toBe(3);
    expect(pool.counts).toEqual({ total: 3, active: 0, idle: 0, pending: 10, max: 3 });
  });

  test('is reached four connects at a time, however many wait: a server that comes back is not stormed', async () => {
    const { pool, driver, settle } = poolUnderTest({ maxConnections: 20 });
    driver.hold();
    for (let i = 0; i < 80; i++) void outcomeOf(pool.acquire());
    for (let opened = 0; opened < 20; opened++) {
      expect(driver.held.length).toBe(Math.min(4, 20 - opened));
      driver.held[0]?.accept();
      await settle();
    }
    expect(pool.counts).toMatchObject({ active: 20, total: 20, pending: 60 });
  });

  test('is reached so from what warm opens', async () => {
    const { pool, driver, settle } = poolUnderTest({ minConnections: 10, maxConnections: 10 });
    driver.hold();
    const warming = outcomeOf(pool.warm());
    for (let opened = 0; opened < 10; opened++) {
      expect(driver.held.length).toBe(Math.min(4, 10 - opened));
      driver.held[0]?.accept();
      await settle();
    }
    expect([warming.isSettled, warming.error, pool.counts.idle]).toEqual([true, undefined, 10]);
  });

  test('counts those being reset', async () => {
    const { pool, driver, settle } = poolUnderTest({ maxConnections: 2 });
    const both = await acquireMany(pool, 2);
    driver.answer = () => new Promise(() => {});
    for (const connection of both) {
      connection.isTainted = true;
      pool.release(connection);
    }
    void outcomeOf(pool.acquire());
    await settle();
    expect(driver.attempts).toBe(2);
    expect(pool.counts).toEqual({ total: 2, active: 0, idle: 0, pending: 1, max: 2 });
  });

  test('holds while housekeeping replaces what is too old', async () => {
    let born = 0;
    const { pool, driver, clock } = poolUnderTest(
      { minConnections: 3, maxConnections: 3, maxLifetimeMs: 10_500 },
      { random: () => (born++ === 0 ? 0.999 : 0) },
    );
    await pool.warm();
    driver.hold();
    await clock.advance(10_000);
    expect(closed(pool)).toEqual({ lifetime: 1 });
    expect(driver.open.length + driver.held.length).toBe(3);
    expect(pool.counts.total).toBe(3);
  });
});

describe('waiters', () => {
  test('are served first come, first served', async () => {
    const { pool, settle } = poolUnderTest({ maxConnections: 1 });
    const order: string[] = [];
    const use = (name: string) =>
      pool.acquire().then((connection) => {
        order.push(name);
        return connection;
      });
    const first = await use('a');
    const waiting = ['b', 'c', 'd'].map(use);
    let current = first;
    for (const next of waiting) {
      pool.release(current);
      await settle();
      current = await next;
    }
    expect(order).toEqual(['a', 'b', 'c', 'd']);
  });

  test('200 callers share 5 connections, and each is served', async () => {
    const { pool, driver } = poolUnderTest();
    let served = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 200 }, async () => {
        const connection = await pool.acquire();
        most = Math.max(most, pool.counts.active);
        await connection.query({ text: 'SELECT 1' });
        served++;
        pool.release(connection);
      }),
    );
    expect([served, most, driver.attempts]).toEqual([200, 5, 5]);
  });

  test('all get connections once one could be opened again, not only the first', async () => {
    const { pool, driver, clock, settle } = poolUnderTest();
    await pool.acquire();
    driver.refuse(full);
    const waiting = [1, 2, 3].map(() => outcomeOf(pool.acquire()));
    await settle();
    driver.accept();
    await clock.advance(200);
    expect(waiting.map(({ value }) => value !== undefined)).toEqual([true, true, true]);
  });
});

describe('the acquire timeout', () => {
  test('tells counts, elapsed time and the last failure to connect', async () => {
    const { pool, driver, clock, settle } = poolUnderTest({ maxConnections: 3 });
    await pool.acquire();
    driver.refuse(full);
    const waiter = outcomeOf(pool.acquire(700));
    await settle();
    await clock.advance(700);
    expect(waiter.error).toBeInstanceOf(AcquireTimeoutError);
    expect(waiter.error).toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      node: 'node1',
      elapsedMs: 700,
      pool: { total: 1, active: 1, idle: 0, pending: 1, max: 3 },
      cause: full,
      safeToRetry: true,
    });
    expect(String(waiter.error)).toContain(
      'within 700 ms (1 active, 0 idle, 1 open of 3 allowed, 1 waiting); the last attempt to connect failed: sorry',
    );
    expect(pool.counts.pending).toBe(0);
  });

  test('and the connect timeout are two things', async () => {
    const { pool, driver, clock } = poolUnderTest({ acquireTimeoutMs: 500, connectionTimeoutMs: 3_000 });
    driver.hold();
    const waiter = outcomeOf(pool.acquire());
    await clock.advance(500);
    expect(waiter.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT', elapsedMs: 500 });
    expect(driver.held.length).toBe(1);
    const patient = outcomeOf(pool.acquire(10_000));
    await clock.advance(2_499);
    expect(patient.isSettled).toBe(false);
    await clock.advance(1);
    expect(patient.error).toMatchObject({ code: 'CONNECT_FAILED', message: /no connection within 3000 ms/ });
  });

  test('leaves the connection that lands late to the next', async () => {
    const { pool, driver, clock, settle } = poolUnderTest({ maxConnections: 1, acquireTimeoutMs: 500 });
    driver.hold();
    const late = outcomeOf(pool.acquire());
    await clock.advance(500);
    const next = outcomeOf(pool.acquire());
    driver.held[0]?.accept();
    await settle();
    expect(late.error).toBeInstanceOf(AcquireTimeoutError);
    expect(fakeOf(next.value as PooledConnection).id).toBe(1);
    pool.release(next.value as PooledConnection);
    expect(pool.counts).toEqual({ total: 1, active: 0, idle: 1, pending: 0, max: 1 });
  });

  test('leaves a connection that nobody waits for any more idle', async () => {
    const { pool, driver, clock, settle } = poolUnderTest({ acquireTimeoutMs: 500 });
    driver.hold();
    void outcomeOf(pool.acquire());
    await clock.advance(500);
    driver.held[0]?.accept();
    await settle();
    expect(pool.counts).toMatchObject({ total: 1, idle: 1, active: 0 });
  });
});

describe('a failure to connect', () => {
  test('with nothing open turns all waiters away at once', async () => {
    const { pool, driver, settle } = poolUnderTest();
    driver.refuse(refused);
    const waiting = [1, 2, 3].map(() => outcomeOf(pool.acquire()));
    await settle();
    for (const { error } of waiting) {
      expect(error).toBeInstanceOf(ConnectError);
      expect(error).toMatchObject({ cause: refused, node: 'node1', safeToRetry: true });
    }
    expect(pool.counts).toEqual({ total: 0, active: 0, idle: 0, pending: 0, max: 5 });
  });

  test('with something open lets them wait', async () => {
    const { pool, driver, settle } = poolUnderTest();
    const held = await pool.acquire();
    driver.refuse(full);
    const waiter = outcomeOf(pool.acquire());
    await settle();
    expect(waiter.isSettled).toBe(false);
    pool.release(held);
    await settle();
    expect(waiter.value).toBe(held);
  });

  test('with another attempt under way waits for that', async () => {
    const { pool, driver, settle } = poolUnderTest();
    driver.hold();
    const waiting = [1, 2].map(() => outcomeOf(pool.acquire()));
    driver.held[0]?.refuse(refused);
    await settle();
    expect(waiting.map(({ isSettled }) => isSettled)).toEqual([false, false]);
    driver.held[0]?.accept();
    await settle();
    expect(waiting.map(({ value }) => value !== undefined)).toEqual([true, false]);
  });

  test('slows the attempts down: 100 ms, doubled up to 5 s, spread by half', async () => {
    const spread = [1, 0];
    const attemptsAt: number[][] = [];
    for (const share of spread) {
      const { pool, driver, clock } = poolUnderTest({ minConnections: 1 }, { random: () => share });
      driver.refuse(refused);
      await pool.warm().catch(() => {});
      const at: number[] = [];
      for (let attempts = driver.attempts; at.length < 8; await clock.advance(50)) {
        if (driver.attempts > attempts) at.push(clock.now());
        attempts = driver.attempts;
      }
      attemptsAt.push(at.map((time, index) => time - (at[index - 1] ?? 0)));
    }
    expect(attemptsAt).toEqual([
      [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000],
      [50, 100, 200, 400, 800, 1_600, 2_500, 2_500],
    ]);
  });

  test('of many at once counts as one: the next attempt is not put off for seconds', async () => {
    const { pool, driver, clock, settle } = poolUnderTest({ minConnections: 1, maxConnections: 10 });
    driver.hold();
    for (let i = 0; i < 10; i++) void outcomeOf(pool.acquire());
    for (const attempt of driver.held.slice()) attempt.refuse(refused);
    await settle();
    driver.refuse(refused);
    await clock.advance(50);
    expect(driver.attempts).toBe(5);
    driver.accept();
    await clock.advance(100);
    expect(pool.counts.idle).toBe(1);
  });

  test('is followed by one attempt at a time, whoever waits', async () => {
    const { pool, driver, settle } = poolUnderTest();
    driver.refuse(refused);
    await pool.acquire().catch(() => {});
    driver.hold();
    for (let i = 0; i < 50; i++) void outcomeOf(pool.acquire());
    await settle();
    expect(driver.held.length).toBe(1);
  });

  test('starts no storm: callers who can wait for a connection leave the server alone meanwhile', async () => {
    const { pool, driver, clock, settle } = poolUnderTest();
    await pool.acquire();
    driver.refuse(full);
    for (let i = 0; i < 100; i++) {
      void outcomeOf(pool.acquire());
      await settle();
    }
    expect(driver.attempts).toBe(2);
    await clock.advance(1_000);
    expect(driver.attempts).toBeLessThan(8);
  });

  test('with nothing open is tried anew for each caller, who would only be refused otherwise', async () => {
    const { pool, driver } = poolUnderTest();
    driver.refuse(refused);
    await pool.acquire().catch(() => {});
    driver.accept();
    await expect(pool.acquire()).resolves.toBeDefined();
  });
});

describe('what comes back', () => {
  test.each<[string, (connection: PooledConnection) => Promise<unknown>, object, string]>([
    ['after work', (c) => c.query({ text: 'SELECT 1' }), {}, 'kept'],
    ['after an SQL error', (c) => c.query({ text: 'SELECT 1/0' }).catch(() => {}), {}, 'kept'],
    ['with an open transaction', (c) => c.query({ text: 'BEGIN' }), { 'open-transaction': 1 }, 'destroy'],
    [
      'with a failed transaction',
      (c) => c.query({ text: 'BEGIN' }).then(() => c.query({ text: 'SELECT 1/0' }).catch(() => {})),
      { 'open-transaction': 1 },
      'destroy',
    ],
    [
      'with a statement in flight',
      async (c) => void c.query({ text: 'SELECT hang' }).catch(() => {}),
      { busy: 1 },
      'destroy',
    ],
    ['broken', async (c) => fakeOf(c).break(), { lost: 1 }, 'lost'],
  ])('%s', async (_, use, reasons, fate) => {
    const { pool, driver, settle } = poolUnderTest();
    driver.answer = ({ text }) =>
      text.endsWith('hang') ? new Promise(() => {}) : text.endsWith('1/0') ? new Error('division') : [];
    const connection = await pool.acquire();
    await use(connection);
    pool.release(connection);
    await settle();
    expect(closed(pool)).toEqual(reasons);
    expect(pool.counts).toMatchObject({ active: 0, idle: fate === 'kept' ? 1 : 0 });
    if (fate !== 'kept') expect(driver.trace.at(-1)).toBe(`#1 ${fate}`);
  });

  test.each(['SET x = 1', 'LISTEN orders', 'CREATE TEMP TABLE t ()', 'PREPARE p AS SELECT 1'])(
    'after %s is reset before the next has it',
    async (text) => {
      const { pool, driver, settle } = poolUnderTest({ maxConnections: 1 });
      const connection = await pool.acquire();
      await connection.query({ text });
      const next = outcomeOf(pool.acquire());
      pool.release(connection);
      expect(pool.counts).toMatchObject({ total: 1, active: 0, idle: 0 });
      await settle();
      expect(driver.trace).toEqual(['#1 open', `#1 ${text}`, '#1 DISCARD ALL']);
      expect(next.value?.isTainted).toBe(false);
    },
  );

  test.each([
    ['SET x = 1; SELECT 1/0', true],
    ['SELECT 1/0', false],
  ])('after %s, which fails, is reset: %s', async (text, isReset) => {
    const { pool, driver, settle } = poolUnderTest();
    const connection = await pool.acquire();
    driver.answer = (statement) => (statement.text === text ? new Error('division by zero') : []);
    await connection.query({ text }).catch(() => {});
    pool.release(connection);
    await settle();
    expect(driver.trace.includes('#1 DISCARD ALL')).toBe(isReset);
  });

  test('and can not be reset is destroyed', async () => {
    const { pool, driver, settle } = poolUnderTest();
    const connection = await pool.acquire();
    connection.isTainted = true;
    driver.answer = () => new Error('out of memory');
    pool.release(connection);
    await settle();
    expect(driver.trace).toEqual(['#1 open', '#1 DISCARD ALL', '#1 destroy']);
    expect(closed(pool)).toEqual({ 'reset-failed': 1 });
  });

  test('and breaks while it is reset counts as lost', async () => {
    const { pool, driver, settle } = poolUnderTest();
    const connection = await pool.acquire();
    connection.isTainted = true;
    driver.answer = () => new Promise(() => {});
    pool.release(connection);
    fakeOf(connection).break();
    await settle();
    expect(closed(pool)).toEqual({ lost: 1 });
  });

  test('and is silent at its reset is cut in time, and replaced for who waits', async () => {
    const { pool, driver, clock, settle } = poolUnderTest({ maxConnections: 1 });
    const connection = await pool.acquire();
    connection.isTainted = true;
    driver.answer = () => new Promise(() => {});
    pool.release(connection);
    const waiter = outcomeOf(pool.acquire());
    await clock.advance(3_000);
    await settle();
    expect(driver.trace).toEqual(['#1 open', '#1 DISCARD ALL', '#1 destroy', '#2 open']);
    expect(waiter.value).toBeDefined();
  });

  test('twice changes nothing', async () => {
    const { pool } = poolUnderTest();
    const connection = await pool.acquire();
    pool.release(connection);
    pool.release(connection);
    expect(pool.counts).toMatchObject({ total: 1, idle: 1, active: 0 });
    expect(closed(pool)).toEqual({});
  });

  test('too old is closed', async () => {
    const { pool, clock } = poolUnderTest({ maxLifetimeMs: 10_000 });
    const connection = await pool.acquire();
    await clock.advance(10_000);
    pool.release(connection);
    expect(closed(pool)).toEqual({ lifetime: 1 });
  });
});

describe('housekeeping', () => {
  test('lets go of spare connections after the idle timeout and keeps the minimum, opening none', async () => {
    const { pool, driver, clock } = poolUnderTest({ minConnections: 2, idleTimeoutMs: 10_000 });
    for (const connection of await acquireMany(pool, 5)) pool.release(connection);
    await clock.advance(9_999);
    expect(pool.counts.idle).toBe(5);
    await clock.advance(1_000);
    expect(pool.counts).toMatchObject({ total: 2, idle: 2 });
    expect(closed(pool)).toEqual({ idle: 3 });
    expect(driver.attempts).toBe(5);
  });

  test('lets go of what a light load does not need, also where pings are more frequent', async () => {
    const { pool, clock } = poolUnderTest({ idleTimeoutMs: 10_000, keepaliveIntervalMs: 3_000 });
    for (const connection of await acquireMany(pool, 5)) pool.release(connection);
    for (let second = 0; second < 12; second++) {
      pool.release(await pool.acquire());
      await clock.advance(1_000);
    }
    expect(pool.counts).toMatchObject({ total: 1, idle: 1 });
  });

  test.each([
    [0, 10_000],
    [0.5, 9_500],
    [0.999, 9_001],
  ])('ends a lifetime early by up to 10 %% (random %s)', async (random, lifetime) => {
    const { pool, clock } = poolUnderTest({ maxLifetimeMs: 10_000 }, { random: () => random });
    pool.release(await pool.acquire());
    await clock.advance(Math.floor(lifetime / 1_000 - 0.001) * 1_000);
    expect(pool.counts.total).toBe(1);
    await clock.advance(1_000);
    expect(closed(pool)).toEqual({ lifetime: 1 });
  });

  test('replaces the old of the minimum', async () => {
    const { pool, driver, clock } = poolUnderTest({ minConnections: 2, maxLifetimeMs: 5_000 });
    await pool.warm();
    await clock.advance(5_000);
    expect(driver.open.map(({ id }) => id)).toEqual([3, 4]);
    expect(pool.counts).toMatchObject({ total: 2, idle: 2 });
  });

  test('asks quiet connections whether they live, and only those', async () => {
    const { pool, driver, clock } = poolUnderTest({ minConnections: 2, keepaliveIntervalMs: 10_000 });
    await pool.warm();
    await clock.advance(5_000);
    pool.release(await pool.acquire());
    await clock.advance(5_000);
    expect(driver.trace).toEqual(['#1 open', '#2 open', '#1 SELECT 1']);
    await clock.advance(5_000);
    expect(driver.trace.slice(3)).toEqual(['#2 SELECT 1']);
  });

  test('replaces one that does not answer', async () => {
    const { pool, driver, clock } = poolUnderTest({ minConnections: 1, keepaliveIntervalMs: 10_000 });
    await pool.warm();
    driver.answer = () => new Promise(() => {});
    await clock.advance(13_000);
    expect(driver.trace).toEqual(['#1 open', '#1 SELECT 1', '#1 destroy', '#2 open']);
    expect(closed(pool)).toEqual({ lost: 1 });
  });

  test('does not keep a caller waiting for the answer of one that is asked', async () => {
    const { pool, driver, clock, settle } = poolUnderTest({ minConnections: 1, keepaliveIntervalMs: 10_000 });
    await pool.warm();
    driver.answer = () => new Promise(() => {});
    await clock.advance(10_000);
    const caller = outcomeOf(pool.acquire());
    await settle();
    expect(fakeOf(caller.value as PooledConnection).id).toBe(2);
  });
});

describe('retire', () => {
  test('replaces idle ones now, those in use or connecting when they come', async () => {
    const { pool, driver, settle } = poolUnderTest({ minConnections: 1 });
    const [used, spare] = await acquireMany(pool, 2);
    pool.release(spare as PooledConnection);
    driver.hold();
    const waiting = [1, 2].map(() => outcomeOf(pool.acquire()));
    await settle();
    expect(waiting[0]?.value).toBe(spare);
    pool.retire();
    expect(driver.open.map(({ id }) => id)).toEqual([1, 2]);
    pool.release(used as PooledConnection);
    driver.held[0]?.accept();
    await settle();
    expect(closed(pool)).toEqual({ retired: 2 });
    driver.held[0]?.accept();
    await settle();
    expect(fakeOf(waiting[1]?.value as PooledConnection).id).toBe(4);
  });

  test('takes one that is being reset too', async () => {
    const { pool, driver, settle } = poolUnderTest();
    const connection = await pool.acquire();
    connection.isTainted = true;
    let finish = () => {};
    driver.answer = () => new Promise((resolve) => (finish = () => resolve([])));
    pool.release(connection);
    pool.retire();
    finish();
    await settle();
    expect(closed(pool)).toEqual({ retired: 1 });
  });
});

describe('fence', () => {
  const cause = new Error('node1 is down');

  test('cuts all at once: idle, active, connecting, being reset; and turns waiters away', async () => {
    const { pool, driver, settle } = poolUnderTest({ maxConnections: 4 });
    const [, idle, tainted] = await acquireMany(pool, 3);
    driver.answer = () => new Promise(() => {});
    driver.hold();
    (tainted as PooledConnection).isTainted = true;
    const waiters = [1, 2].map(() => outcomeOf(pool.acquire()));
    const [third] = [pool.counts];
    expect(third).toMatchObject({ total: 4, active: 3, pending: 2 });
    pool.release(tainted as PooledConnection);
    pool.fence(cause);
    await settle();
    expect(driver.open).toEqual([]);
    expect(driver.held).toEqual([]);
    expect(closed(pool)).toEqual({ fenced: 3 });
    for (const { error } of waiters) expect(error).toMatchObject({ code: 'CONNECT_FAILED', cause });
    pool.release(idle as PooledConnection);
    expect(pool.counts).toEqual({ total: 0, active: 0, idle: 0, pending: 0, max: 4 });
  });

  test('fails what is in flight with an unknown outcome', async () => {
    const { pool, driver } = poolUnderTest();
    const connection = await pool.acquire();
    driver.answer = () => new Promise(() => {});
    const running = connection.query({ text: 'INSERT' });
    pool.fence(cause);
    await expect(running).rejects.toMatchObject({ code: 'CONNECTION_LOST', outcome: 'unknown', cause });
  });

  test('is no failure of the node: the attempts it aborts are not reported, nor do they slow the next', async () => {
    const { pool, driver, told, settle } = poolUnderTest({ minConnections: 1 });
    driver.hold();
    pool.warm().catch(() => {});
    pool.fence(cause);
    driver.accept();
    await settle();
    expect(told).toEqual([]);
    expect(pool.counts).toMatchObject({ total: 1, idle: 1 });
  });

  test('does not turn away who comes after it', async () => {
    const { pool, driver, settle } = poolUnderTest();
    driver.hold();
    void outcomeOf(pool.acquire());
    pool.fence(cause);
    const after = outcomeOf(pool.acquire());
    await settle();
    driver.held[0]?.accept();
    await settle();
    expect(after.value).toBeDefined();
  });

  test('does not hand out what landed in the same moment', async () => {
    const { pool, driver, settle } = poolUnderTest();
    driver.hold();
    void outcomeOf(pool.acquire());
    driver.held[0]?.accept();
    pool.fence(cause);
    await settle();
    expect(driver.open).toEqual([]);
    expect(pool.counts.total).toBe(0);
  });
});

describe('close', () => {
  test('refuses newcomers and waiters, and waits for those in use', async () => {
    const { pool, driver, settle } = poolUnderTest({ maxConnections: 2 });
    const [one, other] = await acquireMany(pool, 2);
    const waiter = outcomeOf(pool.acquire());
    const closing = outcomeOf(pool.close(10_000));
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'CLUSTER_CLOSED', safeToRetry: true });
    pool.release(one as PooledConnection);
    await settle();
    expect(waiter.error).toMatchObject({ code: 'CLUSTER_CLOSED' });
    expect(closing.isSettled).toBe(false);
    await expect((other as PooledConnection).query({ text: 'SELECT 1' })).resolves.toBeDefined();
    pool.release(other as PooledConnection);
    await settle();
    expect(closing.isSettled).toBe(true);
    expect(driver.open).toEqual([]);
    expect(closed(pool)).toEqual({ shutdown: 2 });
  });

  test('cuts what is still in use after the drain time', async () => {
    const { pool, driver, clock } = poolUnderTest();
    const connection = await pool.acquire();
    driver.answer = () => new Promise(() => {});
    const running = outcomeOf(connection.query({ text: 'SELECT hang' }));
    const closing = outcomeOf(pool.close(10_000));
    await clock.advance(9_999);
    expect(closing.isSettled).toBe(false);
    await clock.advance(1);
    expect(closing.isSettled).toBe(true);
    expect(running.error).toMatchObject({ code: 'CONNECTION_LOST', outcome: 'unknown' });
    pool.release(connection);
    expect(driver.open).toEqual([]);
  });

  test('opens nothing any more, and no socket that was connecting survives', async () => {
    const { pool, driver, clock, settle, told } = poolUnderTest({ minConnections: 2 });
    driver.hold();
    pool.warm().catch(() => {});
    await pool.close(1_000);
    expect(driver.held).toEqual([]);
    driver.accept();
    await clock.advance(60_000);
    await pool.warm().catch(() => {});
    await settle();
    expect(driver.connections).toEqual([]);
    expect(pool.counts).toMatchObject({ total: 0, pending: 0 });
    expect(told).toEqual([]);
  });

  test('closes what landed in the same moment, before it resolves', async () => {
    const { pool, driver } = poolUnderTest({ minConnections: 1 });
    driver.hold();
    pool.warm().catch(() => {});
    driver.held[0]?.accept();
    await pool.close(1_000);
    expect(driver.trace).toEqual(['#1 open', '#1 end']);
    expect(pool.counts.total).toBe(0);
  });

  test('ends one that is being reset, before it resolves', async () => {
    const { pool, driver } = poolUnderTest();
    const connection = await pool.acquire();
    connection.isTainted = true;
    driver.answer = () => new Promise(() => {});
    pool.release(connection);
    await pool.close(1_000);
    expect(driver.open).toEqual([]);
    expect(closed(pool)).toEqual({ shutdown: 1 });
  });

  test('resolves only when the goodbyes are said, of those that came back during the drain too', async () => {
    const { pool, settle } = poolUnderTest();
    const connection = await pool.acquire();
    const fake = fakeOf(connection);
    let saidGoodbye = () => {};
    fake.end = () => new Promise((resolve) => (saidGoodbye = resolve));
    const closing = outcomeOf(pool.close(1_000));
    pool.release(connection);
    await settle();
    expect(closing.isSettled).toBe(false);
    saidGoodbye();
    await settle();
    expect(closing.isSettled).toBe(true);
  });

  test('survives a goodbye that fails', async () => {
    const { pool } = poolUnderTest();
    const connection = await pool.acquire();
    fakeOf(connection).end = () => Promise.reject(new Error('no goodbye'));
    pool.release(connection);
    await expect(pool.close(1_000)).resolves.toBeUndefined();
  });

  test('twice is once', async () => {
    const { pool, clock, settle } = poolUnderTest();
    const connection = await pool.acquire();
    const closings = [pool.close(60_000), pool.close(60_000)].map(outcomeOf);
    pool.release(connection);
    await settle();
    expect(closings.map(({ isSettled }) => isSettled)).toEqual([true, true]);
    expect(clock.pending).toBe(0);
  });

  test('leaves no timer behind', async () => {
    const { pool, driver, clock } = poolUnderTest({ minConnections: 2 });
    driver.refuse(refused);
    await pool.warm().catch(() => {});
    expect(clock.pending).toBe(2);
    await pool.close(1_000);
    expect(clock.pending).toBe(0);
  });
});

test('roles that connections report reach the listener, at connect and later', async () => {
  const { pool, driver, told } = poolUnderTest();
  driver.inHotStandby = true;
  const connection = await pool.acquire();
  fakeOf(connection).reportRole(false);
  expect(told).toEqual(['standby: true', 'standby: false']);
});

test('a listener that retires the pool at the first word of a connection does not lose it', async () => {
  const { pool, driver, settle } = poolUnderTest({ minConnections: 1 });
  const warming = pool.warm();
  await warming;
  driver.inHotStandby = false;
  pool.retire();
  await settle();
  expect(pool.counts).toMatchObject({ total: 1, idle: 1 });
  expect(pool.history.opened).toBe(2);
});
