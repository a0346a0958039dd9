/** The share at which a node that came back begins: enough to fill its caches, too little for anyone to wait. */
const FIRST_SHARE = 0.1;

/**
 * How much of its share a node may take, from 0.1 when it came back to 1 at the end of its slow start.
 *
 * @param returnedAt When it came back; undefined for one that was there from the start.
 */
export function warmth(returnedAt: number | undefined, now: number, slowStartMs: number): number {
  if (returnedAt === undefined || now - returnedAt >= slowStartMs) return 1;
  const elapsed = Math.max(0, now - returnedAt) / slowStartMs;
  return FIRST_SHARE + (1 - FIRST_SHARE) * elapsed;
}
