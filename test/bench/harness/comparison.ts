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

/** One row for each way at each level; ratios are of figures of the same round. */
export function compared(outcome: Outcome, levels: readonly number[], comparison: Comparison): Table {
  const { title, unit, notes = [] } = comparison;
  const rows = levels.flatMap((level) => rowsAt(level, outcome, comparison));
  const columns = ['', 'callers', unit, 'CPU µs', 'p50 ms', 'p99 ms', 'throughput ×', 'CPU ×', 'p99 ×'];
  // A reason is too long for a column of figures.
  const reasons = Object.entries(outcome.failures).map(([label, reason]) => `${label}: ${reason}`);
  return { title, columns, rows, notes: [...notes, ...reasons] };
}

function rowsAt(level: number, outcome: Outcome, { reference }: Comparison): string[][] {
  const of = (name: string) =>
    outcome.samples.filter((sample) => sample.name === name && sample.level === level);
  const base = new Map(of(reference).map(({ round, figures }) => [round, figures]));
  return outcome.contestants.map(({ name, label }) => {
    if (label in outcome.failures) return [label, String(level), 'not measured'];
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
      String(level),
      own('perSecond', 0),
      own('cpu', 0),
      own('p50', 2),
      own('p99', 2),
      ...(['perSecond', 'cpu', 'p99'] as const).map((key) => (name === reference ? '1' : ratio(key))),
    ];
  });
}

export function divided(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}
