/** A timer that was set; `cancel()` after it ran does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * Where the library takes its time from, so that tests can move it by hand.
 *
 * `now()` is monotonic, in milliseconds, from an origin of its own: differences mean something,
 * the value does not.
 */
export interface Clock {
  now(): number;
  /** Runs `task` once after `delayMs`. A `background` timer does not keep the process alive. */
  setTimer(task: () => void, delayMs: number, background?: boolean): Timer;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(task, delayMs, background = false) {
    const handle = setTimeout(task, delayMs);
    if (background) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `ms`. */
export function delay(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, ms));
}

/** Resolves with the work, or without it after `ms`. Such a wait does not keep the process alive. */
export async function patiently(clock: Clock, work: Promise<unknown>, ms: number): Promise<void> {
  let patience: Timer | undefined;
  const lost = new Promise<void>((resolve) => {
    patience = clock.setTimer(resolve, ms, true);
  });
  await Promise.race([work, lost]);
  patience?.cancel();
}
