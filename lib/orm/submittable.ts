import type pg from 'pg';

/** What submits itself to a client: a cursor, a stream, a `pg.Query`. */
export interface Submittable {
  submit(connection: unknown): unknown;
  text?: string;
  cursor?: { readonly text?: string };
  callback?: (error: Error | undefined | null, result?: unknown) => void;
}

export function isSubmittable(config: unknown): config is Submittable {
  return typeof (config as Partial<Submittable> | null)?.submit === 'function';
}

/** Tells it that it could not be submitted. */
export function failSubmitted(query: Submittable, error: Error): void {
  const { handleError } = query as { handleError?: (error: Error, connection: unknown) => void };
  if (handleError) handleError.call(query, error, undefined);
  else query.callback?.(error);
}

/**
 * Resolves when nothing is under way on a client any more.
 *
 * @param canGiveUp Gets what ends the waiting before that.
 */
export function untilDrained(client: pg.Client, canGiveUp: (giveUp: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      client.off('drain', over).off('end', over);
      resolve();
    };
    client.on('drain', over).on('end', over);
    canGiveUp(over);
  });
}
