import { cachedPassword, type CachedPasswordOptions, type PasswordFunction } from 'nestjs-pg-mcp';
import { ManualClock } from 'nestjs-pg-mcp/testing';
import { beforeEach, describe, expect, test } from 'vitest';

const MINUTE = 60_000;
let clock: ManualClock;
/** Fetches under way, oldest first. */
let fetches: { give(password: string): void; fail(error: Error): void }[];
beforeEach(() => {
  clock = new ManualClock();
  fetches = [];
});

const cached = (options: Partial<CachedPasswordOptions> = {}) =>
  cachedPassword(() => new Promise((give, fail) => fetches.push({ give, fail })), {
    ttl: '15m',
    refresh: '10m',
    clock,
    ...options,
  });
const TARGET = { host: 'db1', port: 5432, user: 'app' };
const settle = () => clock.advance(0);

/** Asks, and has the fetch that this begins give `token`. */
async function fetched(password: PasswordFunction, token: string, target = TARGET) {
  const asked = password(target);
  await settle();
  fetches.shift()?.give(token);
  return asked;
}

test('callers share one fetch, and what it gave serves until it is to be renewed', async () => {
  const password = cached();
  const asked = Promise.all([password(TARGET), password(TARGET)]);
  await settle();
  expect(fetches).toHaveLength(1);
  fetches.shift()?.give('one');
  expect(await asked).toEqual(['one', 'one']);
  await clock.advance(10 * MINUTE - 1);
  expect(await password(TARGET)).toBe('one');
  expect(fetches).toHaveLength(0);
});

describe('the renewal', () => {
  test('is one for all, which nobody waits for', async () => {
    const password = cached();
    await fetched(password, 'one');
    await clock.advance(10 * MINUTE);
    expect(await Promise.all([password(TARGET), password(TARGET)])).toEqual(['one', 'one']);
    expect(fetches).toHaveLength(1);
    fetches.shift()?.give('two');
    await settle();
    expect(await password(TARGET)).toBe('two');
  });

  test('that fails leaves the former in service until its end, and is tried again', async () => {
    const password = cached();
    await fetched(password, 'one');
    await clock.advance(15 * MINUTE - 1);
    for (let times = 0; times < 2; times++) {
      expect(await password(TARGET)).toBe('one');
      await settle();
      fetches.shift()?.fail(new Error('no token today'));
      await settle();
    }
    await clock.advance(1);
    const late = password(TARGET);
    await settle();
    fetches.shift()?.fail(new Error('no token today'));
    await expect(late).rejects.toThrow('no token today');
    expect(await fetched(password, 'two')).toBe('two');
  });

  test('counts the age from when the password was asked for', async () => {
    const password = cached();
    const asked = password(TARGET);
    await clock.advance(9_000);
    fetches.shift()?.give('one');
    expect(await asked).toBe('one');
    await clock.advance(15 * MINUTE - 9_000);
    expect(await fetched(password, 'two')).toBe('two');
  });

  test('comes at two thirds of the time, unless said otherwise', async () => {
    const password = cachedPassword(() => new Promise((give, fail) => fetches.push({ give, fail })), {
      ttl: 900,
      clock,
    });
    await fetched(password, 'one');
    await clock.advance(10 * MINUTE - 1);
    await password(TARGET);
    expect(fetches).toHaveLength(0);
    await clock.advance(1);
    await password(TARGET);
    await settle();
    expect(fetches).toHaveLength(1);
  });
});

describe('a fetch', () => {
  test('that hangs is not waited for by those who come later, and what it gives at last is too old', async () => {
    const password = cached();
    const first = password(TARGET);
    await clock.advance(10_000);
    const [hanging] = fetches.splice(0);
    expect(await fetched(password, 'two')).toBe('two');
    hanging?.give('one');
    expect(await first).toBe('one');
    expect(await password(TARGET)).toBe('two');
  });

  test('that throws is begun again by the next caller', async () => {
    let times = 0;
    const password = cachedPassword(
      () => {
        if (++times === 1) throw new Error('no signer');
        return 'plain';
      },
      { ttl: '1m', clock },
    );
    await expect(password(TARGET)).rejects.toThrow('no signer');
    expect(await password(TARGET)).toBe('plain');
  });
});

test('each server has its own', async () => {
  const password = cachedPassword(({ host, user }) => `${user} of ${host}`, { ttl: '15m' });
  expect(await password(TARGET)).toBe('app of db1');
  expect(await password({ ...TARGET, host: 'db2' })).toBe('app of db2');
  expect(await password({ ...TARGET, user: 'reader' })).toBe('reader of db1');
});

test('one that the server has refused is fetched anew', async () => {
  const password = cached();
  await fetched(password, 'one');
  password.forget?.(TARGET);
  expect(await fetched(password, 'two')).toBe('two');
});

test.each<[string, CachedPasswordOptions]>([
  ['no duration', { ttl: 'soon' }],
  ['no time', { ttl: 0 }],
  ['a renewal that is no duration', { ttl: '1m', refresh: 'soon' }],
  ['a renewal after the end', { ttl: '1m', refresh: '2m' }],
])('%s is refused', (_, options) => {
  expect(() => cachedPassword(() => '', options)).toThrow(RangeError);
});
