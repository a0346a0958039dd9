import { isObservable, Observable, Subject, takeUntil } from 'rxjs';
import type { Scope, ScopeStorage } from './scope.js';

/** A scope that was opened, and how it ends. */
export interface OpenScope {
  readonly scope: Scope;
  /** The end decides whether the work counts: who called a plain function gets a promise. */
  readonly isDecidedAtEnd?: boolean;
  /** Nothing is to be done at its end. */
  readonly endsByItself?: boolean;
  /** The work is done. What this rejects with, the caller gets. */
  complete(): Promise<void>;
  /** The work failed or was broken off. Never rejects: the caller gets the work's own error. */
  fail(): Promise<void>;
}

/**
 * Runs a function in a scope, whatever it returns: the scope ends when a value or promise is there, when an
 * Observable completes, fails or loses its subscriber, when a generator ends or is left.
 *
 * An Observable opens a scope with each subscription. Its subscriber and a generator's consumer run in
 * their own context, not in the scope.
 */
export function carry<T>(storage: ScopeStorage, open: () => OpenScope, work: () => T): T {
  const opened = open();
  let result: T;
  try {
    result = storage.run(opened.scope, work);
  } catch (error) {
    void opened.fail();
    throw error;
  }
  if (result instanceof Promise) return opened.endsByItself ? result : (carryPromise(opened, result) as T);
  if (isThenable(result)) {
    const thenable = result;
    return carryPromise(
      opened,
      storage.run(opened.scope, () => startOf(thenable)),
    ) as T;
  }
  if (isAsyncGenerator(result)) return carryGenerator(storage, opened, result) as T;
  if (isObservable(result)) {
    void opened.fail();
    return carryObservable(storage, open, result) as T;
  }
  if (opened.endsByItself) return result;
  const ended = opened.complete();
  if (opened.isDecidedAtEnd) return ended.then(() => result) as T;
  ended.catch(() => {});
  return result;
}

/**
 * A query builder starts its work when `then` is called: here and now, within the scope, which Node does not
 * keep for the call that a promise would make.
 */
function startOf(thenable: PromiseLike<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => void thenable.then(resolve, reject));
}

async function carryPromise<T>(opened: OpenScope, promise: Promise<T>): Promise<T> {
  let value: T;
  try {
    value = await promise;
  } catch (error) {
    await opened.fail();
    throw error;
  }
  await opened.complete();
  return value;
}

function carryObservable<T>(
  storage: ScopeStorage,
  open: () => OpenScope,
  source: Observable<T>,
): Observable<T> {
  return new Observable<T>((subscriber) => {
    const outer = storage.getStore();
    const outside = (deliver: () => void) => (outer ? storage.run(outer, deliver) : storage.exit(deliver));
    const opened = open();
    const left = new Subject<void>();
    let isOver = false;
    // Added before the source starts, so that one that emits at once can be left at once.
    subscriber.add(() => {
      if (!isOver) void opened.fail();
      isOver = true;
      left.next();
    });
    const end = (finish: () => Promise<void>, deliver: () => void) => {
      if (isOver) return;
      isOver = true;
      finish().then(
        () => outside(deliver),
        (error: unknown) => outside(() => subscriber.error(error)),
      );
    };
    storage.run(opened.scope, () =>
      source.pipe(takeUntil(left)).subscribe({
        next: (value) => outside(() => subscriber.next(value)),
        error: (error: unknown) =>
          end(
            () => opened.fail(),
            () => subscriber.error(error),
          ),
        complete: () =>
          end(
            () => opened.complete(),
            () => subscriber.complete(),
          ),
      }),
    );
  });
}

function carryGenerator<T>(
  storage: ScopeStorage,
  opened: OpenScope,
  source: AsyncGenerator<T, unknown, unknown>,
): AsyncGenerator<T, unknown, unknown> {
  let isOver = false;
  let running = 0;
  const end = async (finish: () => Promise<void>) => {
    if (isOver) return;
    isOver = true;
    await finish();
  };
  type Step = Promise<IteratorResult<T, unknown>>;
  const step = async (advance: () => Step, finish: () => Promise<void>): Step => {
    let result: IteratorResult<T, unknown>;
    running++;
    try {
      result = await storage.run(opened.scope, advance);
    } catch (error) {
      await end(() => opened.fail());
      throw error;
    } finally {
      running--;
    }
    if (result.done) await end(finish);
    return result;
  };
  const complete = () => opened.complete();
  const fail = () => opened.fail();
  const carried: AsyncGenerator<T, unknown, unknown> = {
    next: (...args) => step(() => source.next(...args), complete),
    return: (value) => {
      // The source goes on once what it waits for has come, which may be never; who reads it is gone.
      if (running > 0) void end(fail);
      return step(() => source.return(value), fail);
    },
    throw: (error) => step(() => source.throw(error), complete),
    [Symbol.asyncIterator]: () => carried,
    [Symbol.asyncDispose]: async () => {
      await carried.return(undefined);
    },
  };
  return carried;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

export function isAsyncGenerator(value: unknown): value is AsyncGenerator<unknown, unknown, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Symbol.asyncIterator in value &&
    'next' in value &&
    typeof value.next === 'function' &&
    'return' in value &&
    // A mere iterator has a `return` too, and what else its maker gave it; it passes as it is.
    'throw' in value
  );
}
