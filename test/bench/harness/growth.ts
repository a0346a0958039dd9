import { divided } from './comparison.js';
import type { Outcome, Sample } from './contest.js';
import { spreadOf, written } from './statistics.js';
import type { Table } from './table.js';

/** A step may cost so much more than the one before: machines are noisy. */
const BEND = 1.25;

/** One way at growing sizes; its samples at a size are named by it. */
export interface Series {
  readonly name: string;
  readonly label: string;
  readonly sizes: readonly number[];
}

export function sampleName(series: string, size: number): string {
  return `${series}/${size}`;
}

/** One row for each series: microseconds of CPU for a call at each size, and below where the curve bends. */
export function growthTable(title: string, all: readonly Series[], outcome: Outcome): Table {
  const { samples, failures } = outcome;
  const sizes = all[0]?.sizes ?? [];
  return {
    title,
    columns: ['CPU µs for a call', ...sizes.map((size) => size.toLocaleString('en'))],
    rows: all.map((series) => [
      series.label,
      ...sizes.map((size) => written([...costs(series, size, samples).values()], 1)),
    ]),
    notes: [
      ...all.map((series) => verdict(series, samples)),
      ...Object.entries(failures).map(([label, reason]) => `${label}: ${reason}`),
    ],
  };
}

/** Judged by the median of ratios of the same round: what slows a round slows both of its figures. */
export function verdict(series: Series, samples: readonly Sample[]): string {
  const bends = series.sizes.slice(1).flatMap((size, i) => {
    const before = costs(series, series.sizes[i] ?? size, samples);
    const ratios = [...costs(series, size, samples)].flatMap(([round, cost]) => {
      const ratio = divided(cost, before.get(round));
      return ratio === undefined ? [] : [ratio];
    });
    return spreadOf(ratios).median > BEND ? [`at ${size.toLocaleString('en')}: ${written(ratios, 2)} ×`] : [];
  });
  const { label } = series;
  return bends.length === 0
    ? `${label}: straight, no size costs over ${BEND} × of the one before`
    : `${label}: bends upward ${bends.join(', ')} of the size before`;
}

function costs({ name }: Series, size: number, samples: readonly Sample[]): Map<number, number> {
  const those = samples.filter((sample) => sample.name === sampleName(name, size));
  return new Map(
    those.flatMap(({ round, figures: { cpu } }) => (cpu === undefined ? [] : [[round, cpu] as const])),
  );
}
