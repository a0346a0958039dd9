import type { Outcome } from './contest.js';
import type { Figures } from './figures.js';
import { written } from './statistics.js';
import type { Table } from './table.js';

export interface Comparison {
  readonly title: string;
  /** What is counted in a second. */
  readonly unit: string;
  /** The name of what the ratios are to, round by round. */
  readonly reference: string;
  readonly notes?: readonly string[];
}

/** One row for each way at one level; ratios are of figures of the same round. */
export function compared(outcome: Outcome, level: number, comparison: Comparison): Table {
  const { title, unit, reference, notes = [] } = comparison;
  const of = (name: string) =>
    outcome.samples.filter((sample) => sample.name === name && sample.level === level);
  const base = new Map(of(reference).map(({ round, figures }) => [round, figures]));
  const rows = outcome.contestants.map(({ name, label }) => {
    const failure = outcome.failures[label];
    if (failure !== undefined) return [label, 'not measured'];
    const samples = of(name);
    const own = (key: keyof Figures, digits: number) =>
      written(
        samples.map(({ figures }) => figures[key]),
        digits,
      );
    const ratio = (key: keyof Figures) =>
      written(
        samples.map(({ round, figures }) => divided(figures[key], base.get(round)?.[key])),
        2,
      );
    return [
      label,
      own('perSecond', 0),
      own('cpu', 0),
      own('p50', 2),
      own('p99', 2),
      ratio('perSecond'),
      ratio('cpu'),
      ratio('p99'),
    ];
  });
  const columns = ['', unit, 'CPU µs', 'p50 ms', 'p99 ms', 'throughput ×', 'CPU ×', 'p99 ×'];
  // A reason is too long for a column of figures.
  const reasons = Object.entries(outcome.failures).map(([label, reason]) => `${label}: ${reason}`);
  return { title, columns, rows, notes: [...notes, ...reasons] };
}

export function divided(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}
