import { lsnDistance, type Lsn } from '../lsn.js';

/** From when until when (milliseconds of the clock) the primary was seen at one position. */
interface Stay {
  readonly lsn: Lsn;
  readonly from: number;
  readonly until: number;
}

/** Where the primary was when, oldest first. One entry a position, so an idle primary costs one. */
export type PrimaryHistory = readonly Stay[];

const MOST_STAYS = 3_600;
/** Closer entries than this are worth no room: positions may be asked for every 20 ms. */
const CLOSEST_MS = 100;

export interface Lag {
  readonly bytes: number;
  readonly ms: number;
}

/** Adds a sample taken at `at`. A position below the last one starts the history anew: it is another WAL. */
export function remember(history: PrimaryHistory, lsn: Lsn, at: number): PrimaryHistory {
  const last = history.at(-1);
  if (!last || lsn < last.lsn) return [{ lsn, from: at, until: at }];
  if (lsn === last.lsn) return [...history.slice(0, -1), { ...last, until: Math.max(last.until, at) }];
  const before = history.at(-2);
  const isClose = before !== undefined && at - before.until < CLOSEST_MS;
  // Without an entry between, a replica counts as that much further behind, never as less.
  const kept = isClose ? history.slice(0, -1) : history.slice(-MOST_STAYS + 1);
  return [...kept, { lsn, from: at, until: at }];
}

/**
 * How far a replica that had replayed `replayed` at the time `at` trails the primary.
 *
 * Milliseconds: how long ago the primary was at that position, so that no clock of another host is
 * trusted and an idle primary gives zero. Past the end of the history it is as long as the history.
 */
export function measureLag(history: PrimaryHistory, replayed: Lsn, at: number): Lag | undefined {
  const last = history.at(-1);
  if (!last) return undefined;
  if (last.lsn <= replayed) return { bytes: 0, ms: 0 };
  const reached = history.findLast((stay) => stay.lsn <= replayed);
  const since = reached ? reached.until : (history[0] ?? last).from;
  return { bytes: lsnDistance(last.lsn, replayed), ms: Math.max(0, at - since) };
}
