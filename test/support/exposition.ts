export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exposition {
  all(name: string): readonly Sample[];
  /** Of the first sample that has these labels. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
// `prom-client` writes Nan where nothing was measured.
const NUMBER = /^(?:[-+]?(?:[0-9.]+(?:e[-+]?[0-9]+)?|Inf)|nan)$/i;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** Reads Prometheus' text format 0.0.4; a line that is none is an error. */
export function parseExposition(text: string): Exposition {
  const samples = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line): Sample => {
      const [, name, labels = '', value] = LINE.exec(line) ?? [];
      if (name === undefined || !NUMBER.test(value ?? '')) throw new Error(`no sample: ${line}`);
      const pairs = [...labels.matchAll(LABEL)].map(([, key = '', content = '']) => [key, content] as const);
      return { name, labels: Object.fromEntries(pairs), value: Number(value) };
    });
  const all = (name: string) => samples.filter((sample) => sample.name === name);
  return {
    all,
    value: (name, labels = {}) =>
      all(name).find((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
        ?.value,
  };
}
