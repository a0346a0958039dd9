import type { WalPosition } from '../lsn.js';

/** The primary's position, asked for from `at` on (milliseconds of the clock). */
export interface PrimarySample extends WalPosition {
  readonly at: number;
}

/** Of one primary on one timeline, oldest first. */
export type PrimarySamples = readonly PrimarySample[];

const MOST = 256;

/** Adds a sample. One of another timeline, or of an earlier position, begins anew: it is another WAL. */
export function addSample(samples: PrimarySamples, sample: PrimarySample): PrimarySamples {
  const last = samples.at(-1);
  if (!last || last.timeline !== sample.timeline || sample.lsn < last.lsn) return [sample];
  return [...samples.slice(-MOST + 1), sample];
}

/**
 * The position behind everything that was written until `time`: of the first sample that was asked for later.
 * Without a time, of the first there is. Where the samples don't reach back so far, of the oldest.
 */
export function firstSampleAfter(samples: PrimarySamples, time = -Infinity): PrimarySample | undefined {
  let [low, high] = [0, samples.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((samples[middle]?.at ?? 0) > time) high = middle;
    else low = middle + 1;
  }
  return samples[low];
}
