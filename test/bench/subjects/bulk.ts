import { mkdtemp, rm } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PgCluster } from 'nestjs-pg-mcp';
import { seeded } from '../../support/seeded.js';
import type { Sample } from '../harness/contest.js';
import { divided } from '../harness/comparison.js';
import { Servers } from '../harness/servers.js';
import { written } from '../harness/statistics.js';
import type { Table } from '../harness/table.js';
import { bulkRows, bulkWays, type BulkWay } from '../ways/bulk.js';
import type { Report, RunContext } from './subject.js';

const MANY = 1_000_000;
const SOME = 10_000;
const ROUNDS = 5;
/** At what distance the memory is looked at. */
const LOOK_MS = 20;

interface Measured extends Sample {
  /** By how much the process grew, in MiB at most; unknown of another process. */
  readonly grownMib?: number;
}

/** Rows from a generator into a table of a text and a number. */
export async function bulk(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(0);
  context.saw(await servers.version());
  const { primary, monitor } = servers.target(1);
  const folder = await mkdtemp(join(tmpdir(), 'pg-mcp-bulk-'));
  const cluster = PgCluster.fromConfig({ masters: [primary], monitor });
  const fileOf = (count: number) => join(folder, `${count}.txt`);
  const faults: string[] = [];
  try {
    for (const count of [SOME, MANY]) await writeRows(fileOf(count), count);
    await cluster.connect();
    await cluster.query('CREATE TABLE bulk (name text, age int)');
    const ways = bulkWays(cluster, primary, fileOf);
    const contest = (list: readonly BulkWay[], count: number) =>
      measure(cluster, list, { count, context, faults });
    const some = [ways.single, ways.values, ways.unnest, ways.text, ways.binary, ways.psql];
    const many = [ways.text, ways.binary, ways.psql];
    const ofSome = await contest(some, SOME);
    const ofMany = await contest(many, MANY);
    return {
      tables: [
        tableOf('10,000 rows', some, ofSome, {
          reference: 'single',
          notes: ['asked of `copyFrom`: ≥ 14 times row by row'],
        }),
        tableOf('1,000,000 rows', many, ofMany, {
          reference: 'psql',
          notes: ['asked of `copyFrom`: ≥ 0.85 of psql, less than 64 MiB'],
        }),
      ],
      samples: [...ofSome, ...ofMany],
      faults,
    };
  } finally {
    await cluster.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(
  cluster: PgCluster,
  ways: readonly BulkWay[],
  { count, context, faults }: { count: number; context: RunContext; faults: string[] },
): Promise<Measured[]> {
  const random = seeded(count);
  const samples: Measured[] = [];
  const failed = new Set<string>();
  const onRound = context.onRound(`bulk, ${count} rows`);
  for (let round = -1; round < context.rounds(ROUNDS); round++) {
    onRound(round);
    const inTurn = ways.map((way) => ({ way, place: random() })).toSorted((a, b) => a.place - b.place);
    for (const { way } of inTurn) {
      if (failed.has(way.name)) continue;
      try {
        const sample = await once(cluster, way, count);
        if (round >= 0) samples.push({ name: way.name, level: count, round, ...sample });
      } catch (error) {
        failed.add(way.name);
        // Not everybody has a psql.
        if (way.name !== 'psql') faults.push(`${way.label}: ${String(error)}`);
      }
    }
  }
  return samples;
}

async function once(
  cluster: PgCluster,
  way: BulkWay,
  count: number,
): Promise<Pick<Measured, 'figures' | 'grownMib'>> {
  await cluster.query('TRUNCATE bulk');
  await cluster.query('CHECKPOINT').catch(() => {});
  const before = process.memoryUsage.rss();
  let most = before;
  const look = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), LOOK_MS);
  const began = performance.now();
  try {
    await way.run(count);
  } finally {
    clearInterval(look);
  }
  const ms = performance.now() - began;
  most = Math.max(most, process.memoryUsage.rss());
  const { rows } = await cluster.query<{ n: number }>('SELECT count(*)::int AS n FROM bulk');
  if (rows[0]?.n !== count) throw new Error(`${rows[0]?.n} rows of ${count} are there`);
  const figures = { calls: count, perSecond: (count / ms) * 1_000 };
  return way.name === 'psql' ? { figures } : { figures, grownMib: (most - before) / 2 ** 20 };
}

function tableOf(
  title: string,
  ways: readonly BulkWay[],
  samples: readonly Measured[],
  { reference, notes }: { reference: string; notes: readonly string[] },
): Table {
  const base = new Map(
    samples.filter(({ name }) => name === reference).map(({ round, figures }) => [round, figures.perSecond]),
  );
  const rows = ways.map(({ name, label }) => {
    const own = samples.filter((sample) => sample.name === name);
    return [
      label,
      written(
        own.map(({ figures }) => figures.perSecond),
        0,
      ),
      written(
        own.map(({ round, figures }) => divided(figures.perSecond, base.get(round))),
        2,
      ),
      written(
        own.map(({ grownMib }) => grownMib),
        0,
      ),
    ];
  });
  const than = ways.find(({ name }) => name === reference)?.label ?? reference;
  return { title: `Bulk load, ${title}`, columns: ['', 'rows/s', `× ${than}`, 'grown by MiB'], rows, notes };
}

async function writeRows(file: string, count: number): Promise<void> {
  const lines = function* () {
    let batch = '';
    for (const { name, age } of bulkRows(count)) {
      batch += `${name}\t${age}\n`;
      if (batch.length < 65_536) continue;
      yield batch;
      batch = '';
    }
    yield batch;
  };
  await pipeline(Readable.from(lines()), createWriteStream(file));
}
