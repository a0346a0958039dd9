import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { map, NEVER, Observable, of, Subject } from 'rxjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { carry, type OpenScope } from '../../lib/session/carry.js';
import { NO_SCOPE, type Scope } from '../../lib/session/scope.js';

const storage = new AsyncLocalStorage<Scope>();
const OUTER: Scope = { ...NO_SCOPE, route: 'primary' };
const ends: string[] = [];
let opened = 0;

beforeEach(() => {
  ends.length = 0;
  opened = 0;
});

const open = (): OpenScope => {
  const id = ++opened;
  return {
    scope: { ...NO_SCOPE, route: 'replica', owner: { id } },
    complete: async () => void ends.push(`${id} complete`),
    fail: async () => void ends.push(`${id} fail`),
  };
};
const inScope = <T>(work: () => T) => storage.run(OUTER, () => carry(storage, open, work));
const route = () => storage.getStore()?.route;
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('carry', () => {
  it.each([
    ['a value', 5],
    ['nothing', undefined],
    ['a function', () => 5],
    ['an array', [1, 2]],
    ['a stream', Readable.from(['a'])],
    ['an async iterable', { async *[Symbol.asyncIterator]() {} }],
    [
      'an async iterator with more to it',
      {
        next: async () => ({ done: true, value: 1 }),
        return: async () => ({ done: true, value: 1 }),
        close() {},
        [Symbol.asyncIterator]() {
          return this;
        },
      },
    ],
    ['an iterator', [1, 2].values()],
  ])('gives %s back untouched, and ends', async (_what, value) => {
    expect(inScope(() => value)).toBe(value);
    await settled();
    expect(ends).toEqual(['1 complete']);
  });

  it('ends a scope whose function throws at once', () => {
    expect(() =>
      inScope(() => {
        throw new RangeError('at once');
      }),
    ).toThrow(RangeError);
    expect(ends).toEqual(['1 fail']);
  });

  it("starts a query builder's work in the scope", async () => {
    // oxlint-disable-next-line unicorn/no-thenable
    const builder = { then: (resolve: (value: unknown) => void) => resolve(route()) };
    expect(await inScope(() => builder)).toBe('replica');
    expect(ends).toEqual(['1 complete']);
  });

  it('gives on the fault of a query builder', async () => {
    const throwing = {
      // oxlint-disable-next-line unicorn/no-thenable
      then(): never {
        throw new RangeError('in then');
      },
    };
    await expect(inScope(() => Promise.resolve().then(() => throwing))).rejects.toThrow(RangeError);
    await expect(inScope(() => throwing) as unknown as Promise<never>).rejects.toThrow(RangeError);
    expect(ends).toEqual(['1 fail', '2 fail']);
  });

  it("lets the caller's context be, during and after", async () => {
    await storage.run(OUTER, async () => {
      const running = carry(storage, open, async () => {
        await settled();
        return route();
      });
      expect(route()).toBe('primary');
      expect(await running).toBe('replica');
      expect(route()).toBe('primary');
    });
  });
});

describe('an Observable', () => {
  it('has its source in the scope and its subscriber outside of it', async () => {
    const seen: unknown[] = [];
    const source = inScope(
      () =>
        new Observable<unknown>((subscriber) => {
          subscriber.next(route());
          subscriber.complete();
        }),
    );
    await new Promise<void>((resolve) => {
      storage.run(OUTER, () =>
        source.subscribe({
          next: (value) => seen.push(value, route()),
          complete: () => (seen.push(route()), resolve()),
        }),
      );
    });
    expect(seen).toEqual(['replica', 'primary', 'primary']);
    expect(ends).toEqual(['1 fail', '2 complete']);
  });

  it('may be subscribed to again, and each time is a scope', async () => {
    const source = inScope(() => of(1));
    for (const _ of [1, 2]) await new Promise<void>((complete) => source.subscribe({ complete }));
    expect(ends).toEqual(['1 fail', '2 complete', '3 complete']);
  });

  it('fails its scope when its subscribing throws, and tells the subscriber', async () => {
    const source = inScope(
      () =>
        new Observable(() => {
          throw new RangeError('in subscribe');
        }),
    );
    const error = await new Promise<unknown>((resolve) => source.subscribe({ error: resolve }));
    expect(error).toBeInstanceOf(RangeError);
    expect(ends).toEqual(['1 fail', '2 fail']);
  });

  it.each([
    ['never ends', (): Observable<unknown> => NEVER],
    ['is hot', (): Observable<unknown> => new Subject()],
  ])('fails its scope when it %s and is left, once', async (_what, make) => {
    const subscription = inScope(make).subscribe();
    expect(ends).toEqual(['1 fail']);
    subscription.unsubscribe();
    subscription.unsubscribe();
    await settled();
    expect(ends).toEqual(['1 fail', '2 fail']);
  });

  it('stops a source that is left while it emits', async () => {
    let emitted = 0;
    const source = inScope(
      () =>
        new Observable<number>((subscriber) => {
          while (!subscriber.closed && emitted < 1_000) subscriber.next(emitted++);
        }),
    );
    const subscription = source.subscribe();
    subscription.unsubscribe();
    emitted = 0;
    await new Promise<void>((resolve) => {
      const left = source.subscribe({
        next: (value) => {
          if (value < 3) return;
          queueMicrotask(() => (left.unsubscribe(), resolve()));
        },
      });
    });
    await settled();
    expect(ends).toEqual(['1 fail', '2 fail', '3 fail']);
  });

  it('tells of a failed commit instead of completing', async () => {
    const refused = new RangeError('the commit');
    const source = carry(
      storage,
      () => ({ ...open(), complete: () => Promise.reject(refused) }),
      () => of(1),
    );
    const error = await new Promise<unknown>((resolve) =>
      source.subscribe({ error: resolve, complete: () => resolve('completed') }),
    );
    expect(error).toBe(refused);
  });

  it('has the operators behind a Subject run where that is fed', () => {
    const subject = new Subject<void>();
    const seen: unknown[] = [];
    const carried = inScope(() => subject.pipe(map(route)));
    carried.subscribe((value) => seen.push(value));
    storage.run(OUTER, () => subject.next());
    subject.next();
    expect(seen).toEqual(['primary', undefined]);
  });
});

describe('an async generator', () => {
  async function* three() {
    for (let i = 0; i < 3; i++) yield route();
  }

  it('runs in the scope, its consumer outside of it', async () => {
    await storage.run(OUTER, async () => {
      const seen: unknown[] = [];
      for await (const value of carry(storage, open, three)) seen.push(value, route());
      expect(seen).toEqual(['replica', 'primary', 'replica', 'primary', 'replica', 'primary']);
    });
    expect(ends).toEqual(['1 complete']);
  });

  it('answers parallel steps in order and ends once', async () => {
    const carried = inScope(three);
    const steps = await Promise.all(Array.from({ length: 5 }, () => carried.next()));
    expect(steps.map(({ done }) => done)).toEqual([false, false, false, true, true]);
    expect(ends).toEqual(['1 complete']);
  });

  it('fails when it is left, when it throws and when it is thrown at', async () => {
    for await (const _ of inScope(three)) break;
    await inScope(three).return(undefined);
    const thrown = inScope(three);
    await expect(thrown.throw(new RangeError('at it'))).rejects.toThrow('at it');
    await expect(
      inScope(async function* () {
        yield 1;
        throw new RangeError('by it');
      })
        .next()
        .then(() => ends.push('started')),
    ).resolves.toBe(4);
    {
      await using carried = inScope(three);
      await carried.next();
    }
    expect(ends).toEqual(['1 fail', '2 fail', '3 fail', 'started', '5 fail']);
  });

  it('fails at once when it is left while it waits', async () => {
    const carried = inScope(async function* () {
      yield await new Promise(() => {});
    });
    void carried.next();
    void carried.return(undefined);
    await settled();
    expect(ends).toEqual(['1 fail']);
  });

  it('completes when it catches what is thrown at it and returns', async () => {
    const carried = inScope(async function* () {
      try {
        yield 1;
      } catch {
        return 'caught';
      }
      return 'not reached';
    });
    await carried.next();
    expect(await carried.throw(new Error('at it'))).toEqual({ done: true, value: 'caught' });
    expect(ends).toEqual(['1 complete']);
  });
});
