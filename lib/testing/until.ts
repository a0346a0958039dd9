import { setTimeout } from 'node:timers/promises';
import { failure } from './failure.js';

export interface UntilOptions {
  readonly deadlineMs: number;
  /** Completes "gave up after … ms waiting for …". */
  readonly what: string;
}

const INTERVAL_MS = 5;

type Falsy = false | '' | 0 | null | undefined;

function isTruthy<T>(value: T): value is Exclude<T, Falsy> {
  return Boolean(value);
}

/** Asks again and again until `condition` gives something truthy, and returns that. Errors of `condition` end it. */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: UntilOptions,
): Promise<Exclude<T, Falsy>> {
  const start = performance.now();
  for (;;) {
    const answer = await condition();
    if (isTruthy(answer)) return answer;
    if (performance.now() - start > options.deadlineMs) {
      throw failure(`gave up after ${options.deadlineMs} ms waiting for ${options.what}`);
    }
    await setTimeout(INTERVAL_MS);
  }
}
