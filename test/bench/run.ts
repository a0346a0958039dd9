import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sample } from './harness/contest.js';
import { parseOptions, type BenchOptions } from './harness/options.js';
import { asMarkdown, asText, type Table } from './harness/table.js';
import { ON_REQUEST, SUBJECTS } from './subjects/index.js';
import type { RunContext } from './subjects/subject.js';

// npm run bench [-- subject … [--json path] [--markdown] [--bare] [--scale 0.2] [--from path]]
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Results {
  readonly at: string;
  readonly machine: string;
  readonly scale: number;
  readonly subjects: Readonly<Record<string, { tables: readonly Table[]; samples: readonly Sample[] }>>;
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.from !== undefined) {
    print(JSON.parse(await readFile(options.from, 'utf8')) as Results, options);
    return;
  }
  const { results, faults } = await run(options);
  print(results, options);
  const path = options.json ?? join(root, 'bench-results', `${results.at.replaceAll(/[:.]/g, '-')}.json`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(results, undefined, 2)}\n`);
  say(`figures: ${path}`);
  for (const fault of faults) say(`fault: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}

async function run({ subjects, bare, scale }: BenchOptions) {
  const all = Object.keys(SUBJECTS).filter((name) => !ON_REQUEST.has(name));
  const names = subjects.length > 0 ? subjects : all;
  const unknown = names.filter((name) => !(name in SUBJECTS));
  if (unknown.length > 0)
    throw new Error(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(SUBJECTS).join(', ')}`);
  let postgres: string | undefined;
  const context: RunContext = {
    bare,
    rounds: (full) => Math.max(1, Math.round(full * scale)),
    ms: (full) => Math.max(20, Math.round(full * scale)),
    progress: say,
    onRound: (what) => (round) => say(`${what}: ${round < 0 ? 'warming up' : `round ${round + 1}`}`),
    saw: (version) => (postgres = version),
  };
  const reports: Record<string, { tables: readonly Table[]; samples: readonly Sample[] }> = {};
  const faults: string[] = [];
  for (const name of names) {
    const began = performance.now();
    const report = await SUBJECTS[name]?.(context);
    if (!report) continue;
    const { tables, samples } = report;
    reports[name] = { tables, samples };
    faults.push(...report.faults);
    say(`${name}: ${((performance.now() - began) / 1_000).toFixed(0)} s`);
  }
  const machine = [
    `${availableParallelism()} cores of ${process.arch === 'x64' ? 'an x86-64' : `an ${process.arch}`} machine`,
    `Node ${process.versions.node}`,
    ...(postgres === undefined ? [] : [`PostgreSQL ${postgres}`]),
  ].join(', ');
  const results: Results = { at: new Date().toISOString(), machine, scale, subjects: reports };
  return { results, faults };
}

function print({ machine, scale, subjects }: Results, { markdown }: BenchOptions): void {
  const tables = Object.values(subjects).flatMap((subject) => subject.tables);
  const head = scale === 1 ? machine : `${machine} (a trial of the benchmark: scale ${scale})`;
  console.log([head, ...tables.map(markdown ? asMarkdown : asText)].join('\n'));
}

/** On the other stream, so that the tables can be piped. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

// Exit listeners end what would outlive this process otherwise.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

await main();
