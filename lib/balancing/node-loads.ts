/** An answer counts as at most so many times the average, so that one report makes no node a slow one … */
const MOST_AT_ONCE = 4;
/** … or this average, where answers take next to nothing. */
const LEAST_AVERAGE_MS = 1;
/** A failure counts as a call that took this long, or as long as the average if that is more. */
const FAILURE_MS = 1_000;
/** What is held against a node that is not called falls to 1/e in this time, so that it is tried again. */
const FORGET_MS = 5_000;

/**
 * The first answer waits for what is cold: it counts as no more than this, or one such would keep everybody from a
 * node that is well. One that is slow shows it within some answers.
 */
const FIRST_AT_MOST_MS = 2;

interface Load {
  inFlight: number;
  /** The moving average of what calls took; undefined before the first. */
  averageMs: number | undefined;
  /** What was left of the average when the last call began or was answered. */
  heldMs: number;
  /** When the last call began or was answered. */
  at: number;
}

/**
 * What is under way on each node and how long it takes to answer, for the choice among them.
 *
 * The latency is a moving average over calls, so that it follows a node that slows down or recovers within a
 * few of them. While a node is avoided the average is forgotten with time, until the node is worth a call. That
 * call restores the average until it is answered: so a slow node is tried by one call at a time, and the more
 * rarely the slower it is. Times are milliseconds of the caller's clock.
 */
export class NodeLoads {
  readonly #loads = new Map<string, Load>();

  /** A call begins. */
  began(node: string, now: number): void {
    const load = this.#load(node, now);
    load.heldMs = held(load, now);
    load.at = now;
    load.inFlight++;
  }

  /** The call has been answered. */
  answered(node: string, tookMs: number, now: number): void {
    const load = this.#load(node, now);
    const isFirst = load.averageMs === undefined;
    this.#sample(load, isFirst ? Math.min(tookMs, FIRST_AT_MOST_MS) : tookMs, now);
  }

  /** The node, not the statement, failed the call, or could not be reached: however quickly, it is no good. */
  failed(node: string, now: number): void {
    const load = this.#load(node, now);
    const { averageMs } = load;
    // One is enough to look at the others first.
    const counts = averageMs === undefined ? FAILURE_MS : Math.min(FAILURE_MS, mostAtOnce(averageMs));
    this.#settle(load, Math.max(counts, averageMs ?? 0), now);
  }

  /** The call is over, whatever came of it. */
  ended(node: string): void {
    const load = this.#loads.get(node);
    if (load) load.inFlight--;
  }

  inFlight(node: string): number {
    return this.#loads.get(node)?.inFlight ?? 0;
  }

  /** What its last answers took; undefined before the first. */
  latencyMs(node: string, since?: number): number | undefined {
    return this.#known(node, since)?.averageMs;
  }

  /** What of its latency is still held against it. */
  heldMs(node: string, now: number, since?: number): number | undefined {
    const load = this.#known(node, since);
    return load?.averageMs === undefined ? undefined : held(load, now);
  }

  /** A node that came back after it was last heard of is a new one. */
  #known(node: string, since = -Infinity): Load | undefined {
    const load = this.#loads.get(node);
    if (load && load.at < since) load.averageMs = undefined;
    return load;
  }

  #sample(load: Load, tookMs: number, now: number): void {
    this.#settle(load, averageWith(tookMs, load), now);
  }

  #settle(load: Load, averageMs: number, now: number): void {
    load.averageMs = averageMs;
    load.heldMs = averageMs;
    load.at = now;
  }

  #load(node: string, now: number): Load {
    let load = this.#loads.get(node);
    if (!load) {
      load = { inFlight: 0, averageMs: undefined, heldMs: 0, at: now };
      this.#loads.set(node, load);
    }
    return load;
  }
}

function averageWith(tookMs: number, { averageMs, heldMs, inFlight }: Load): number {
  if (averageMs === undefined) return tookMs;
  const weight = weightOfOne(inFlight);
  if (tookMs <= heldMs) return heldMs + (tookMs - heldMs) * weight;
  // Slower than what time had left of the average, but no slower than that: it was right to remember.
  if (tookMs <= averageMs) return tookMs;
  return averageMs + (Math.min(tookMs, mostAtOnce(averageMs)) - averageMs) * weight;
}

function mostAtOnce(averageMs: number): number {
  return Math.max(averageMs, LEAST_AVERAGE_MS) * MOST_AT_ONCE;
}

/**
 * An eighth for a call that is alone. Calls that are under way together are late together, by one stall of this
 * process as a rule, so each of many says less.
 */
function weightOfOne(inFlight: number): number {
  return 1 / (6 + 2 * inFlight);
}

function held({ averageMs, at }: Load, now: number): number {
  return averageMs === undefined ? 0 : averageMs * Math.exp((at - now) / FORGET_MS);
}
