export class StopRequested extends Error {}

/** Rejects at the first SIGINT or SIGTERM. */
export const stopRequested = new Promise<never>((_, reject) => {
  // Not `once`: a second Ctrl-C would end the process before everything is stopped.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => reject(new StopRequested()));
});

// The signal may come while nothing waits for it.
stopRequested.catch(() => {});
