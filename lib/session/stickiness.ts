import type { Lsn } from '../lsn.js';

/** The replica that a scope reads from, so that its reads never go back in time. Shared with inner scopes. */
export interface Stickiness {
  node: string | undefined;
  /** What that replica was last known to have replayed: another must have as much. */
  atLeast: Lsn | undefined;
  /** When it last read from the primary (milliseconds of the clock). */
  primaryReadAt: number | undefined;
}

export function newStickiness(): Stickiness {
  return { node: undefined, atLeast: undefined, primaryReadAt: undefined };
}
