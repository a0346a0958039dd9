import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** What to run; everything where none is named. */
  readonly subjects: readonly string[];
  readonly json?: string | undefined;
  readonly markdown: boolean;
  /** Without the peers that are installed for the comparison. */
  readonly bare: boolean;
  /** What slices and rounds are multiplied by; below 1 for trying the benchmark itself out. */
  readonly scale: number;
  /** Prints the tables of an earlier run instead of running anything. */
  readonly from?: string | undefined;
}

export function parseOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      bare: { type: 'boolean', default: false },
      scale: { type: 'string', default: '1' },
      from: { type: 'string' },
    },
  });
  const scale = Number(values.scale);
  if (!(scale > 0)) throw new Error(`--scale takes a number above 0, not ${values.scale}`);
  const { json, markdown, bare, from } = values;
  return { subjects: positionals, json, markdown, bare, scale, from };
}
