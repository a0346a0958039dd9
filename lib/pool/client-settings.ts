import type { TransactionStatus } from './driver.js';

export interface SettingsChange {
  /** What to run, in this order. */
  readonly texts: readonly string[];
  /** The connection's settings from then on. */
  readonly settings: string | undefined;
  readonly isWithinTransaction: boolean;
}

/**
 * How a connection gets the settings of the client that uses it now. They stay on it for the next statement of such a
 * client, so that where all clients have SET the same, each connection is set once.
 *
 * @param found What it has; undefined where that is not known.
 */
export function changeOfSettings(
  found: string | undefined,
  wanted: string,
  status: TransactionStatus,
): SettingsChange {
  const isWithinTransaction = status === 'T' && wanted !== '' && wanted !== found;
  if (isWithinTransaction) return { texts: [wanted], settings: wanted, isWithinTransaction };
  // Who joins a transaction takes nothing back from those in it; in a failed one nothing can be set.
  if (status !== 'I' || found === wanted) return { texts: [], settings: found, isWithinTransaction };
  // `DISCARD ALL` takes no company in its text.
  const texts = [...(found === '' ? [] : ['DISCARD ALL']), ...(wanted === '' ? [] : [wanted])];
  return { texts, settings: wanted, isWithinTransaction };
}
