import type { WalPosition } from '../lsn.js';
import { newStickiness, type Stickiness } from './stickiness.js';

/** What is known of the positions of the cluster's primary. */
export interface PrimaryPositions {
  /** The newest one. */
  readonly timeline: number;
  /** On that timeline, of the first sample that was asked for after `time` (milliseconds of the clock), or at all. */
  firstAfter(time?: number): WalPosition | undefined;
}

/**
 * What a read must have seen: a position; `unsampled` while only the primary is sure to have it; `ahead` where a
 * timeline was heard of that no node has shown yet.
 */
export type Floor = WalPosition | 'unsampled' | 'ahead';

/**
 * What one user's request, message or job has written, as far as its later reads depend on it.
 *
 * A write leaves the time at which it ended. The first sample of the primary's position that was asked for later
 * lies behind it, and takes its place: so a write costs no round trip.
 */
export class Session {
  /** Of reads that nothing decorates. */
  readonly reads: Stickiness | undefined;
  #writtenAt: number | undefined;
  #position: WalPosition | undefined;
  #openWrites = 0;

  /** @param isOfOne A request, message or job: its reads keep to one replica. */
  constructor({ isOfOne = true } = {}) {
    this.reads = isOfOne ? newStickiness() : undefined;
  }

  /** It has written, or seen what others wrote. */
  get isMarked(): boolean {
    return this.#writtenAt !== undefined || this.#position !== undefined || this.#openWrites > 0;
  }

  /** As far as it is known: what was written since a sample is not in it. */
  get position(): WalPosition | undefined {
    return this.#position;
  }

  /** What may have written ended at that time (milliseconds of the clock). */
  wrote(at: number): void {
    this.#writtenAt = this.#writtenAt === undefined ? at : Math.max(this.#writtenAt, at);
  }

  /** Something that nobody here can follow may write, until the returned function is called. */
  openWrite(now: () => number): () => void {
    this.#openWrites++;
    return () => {
      this.#openWrites--;
      this.wrote(now());
    };
  }

  /** Its reads must have seen that, too. */
  reached(position: WalPosition): void {
    this.#position = later(this.#position, position);
  }

  /** What was heard of a newer timeline was of another cluster's life. */
  forgetAhead(timeline: number): void {
    if (this.#position && this.#position.timeline > timeline) this.#position = undefined;
  }

  floor(positions: PrimaryPositions): Floor | undefined {
    if (this.#openWrites > 0) return 'unsampled';
    if (this.#position && this.#position.timeline > positions.timeline) return 'ahead';
    if (this.#writtenAt !== undefined) {
      const sample = positions.firstAfter(this.#writtenAt);
      if (!sample) return 'unsampled';
      this.#position = later(this.#position, sample);
      this.#writtenAt = undefined;
    }
    if (this.#position && this.#position.timeline < positions.timeline) {
      // What was written on the timeline before is in the new one from its beginning, or lost.
      const sample = positions.firstAfter();
      if (!sample) return 'unsampled';
      this.#position = sample;
    }
    return this.#position;
  }
}

function later(one: WalPosition | undefined, other: WalPosition): WalPosition {
  if (!one) return other;
  if (one.timeline !== other.timeline) return one.timeline > other.timeline ? one : other;
  return one.lsn > other.lsn ? one : other;
}
