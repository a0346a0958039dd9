import { PgCluster, type ClusterConfig } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import pg from 'pg';
import { bench } from 'vitest';
import { seeded } from '../support/seeded.js';
import { TcpProxy } from '../support/tcp-proxy.js';

// One of two replicas is 20 ms slower, 16 callers read. Each way to choose is measured in each round, against an
// ideal choice of the node with the fewest calls in flight, in the same round: as one would make it by hand, over two
// pools of `pg`, and over the same connections as ours, so that nothing but the choice differs.
// npx vitest bench --run --config config/vitest.config.ts test/bench/balancing.bench.ts
const CALLERS = 16;
const DELAY_MS = 20;
const ROUNDS = 9;
const ROUND_MS = 1_500;
const REFERENCE = 'least outstanding, pg.Pool';
/** The slow one is in fewer than a hundredth of its calls: its 99th percentile is that of the fast one. */
const CHOICE_ALONE = 'least outstanding, ours';
/** The best that a choice could do for the latency: it knows the slow one beforehand and never tries it. */
const BOUND = 'the fast one alone';
const BALANCES = ['least-loaded', 'random', 'round-robin'] as const;

type Balance = (typeof BALANCES)[number];
type Read = () => Promise<unknown>;

interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of this process's CPU time for a call. */
  readonly cpu: number;
  /** Percent of the calls that took as long as the slower replica does, at least. */
  readonly late: number;
}

type Round = ReadonlyMap<string, Figures>;

async function readFor(ms: number, read: Read): Promise<Figures> {
  const took: number[] = [];
  const before = process.cpuUsage();
  const began = performance.now();
  const end = began + ms;
  const caller = async () => {
    for (let now = performance.now(); now < end;) {
      await read();
      const then = performance.now();
      took.push(then - now);
      now = then;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const { user, system } = process.cpuUsage(before);
  const elapsed = performance.now() - began;
  took.sort((one, other) => one - other);
  const late = (took.filter((ms) => ms >= DELAY_MS).length / took.length) * 100;
  const at = (share: number) => took[Math.floor(took.length * share)] ?? NaN;
  return {
    perSecond: (took.length / elapsed) * 1_000,
    p50: at(0.5),
    p99: at(0.99),
    cpu: (user + system) / took.length,
    late,
  };
}

const reader =
  (cluster: PgCluster): Read =>
  () =>
    cluster.useReplica(() => cluster.query('SELECT $1::int', [7]));

function leastOutstanding(reads: readonly Read[]): Read {
  const nodes = reads.map((read) => ({ read, inFlight: 0 }));
  return async () => {
    const fewest = Math.min(...nodes.map(({ inFlight }) => inFlight));
    const idlest = nodes.filter(({ inFlight }) => inFlight === fewest);
    const node = idlest[Math.floor(Math.random() * idlest.length)];
    if (!node) return;
    node.inFlight++;
    try {
      await node.read();
    } finally {
      node.inFlight--;
    }
  };
}

/** The median and the range. */
function spread(values: readonly number[], digits = 2): string {
  const sorted = values.toSorted((one, other) => one - other);
  const [low, middle, high] = [0, Math.floor(sorted.length / 2), sorted.length - 1].map((i) => sorted[i]);
  return `${middle?.toFixed(digits)} (${low?.toFixed(digits)}-${high?.toFixed(digits)})`;
}

async function compare(): Promise<void> {
  await using servers = await EmbeddedCluster.start({ replicas: 2, settings: { max_connections: '200' } });
  const [near, far] = servers.config.replicas;
  if (!near || !far) throw new Error('there are two replicas');
  await using proxy = await TcpProxy.start(far);
  const late = { ...far, host: '127.0.0.1', port: proxy.port };
  const cluster = (replicas: ClusterConfig['replicas'], balance: Balance) =>
    PgCluster.fromConfig({ ...servers.config, replicas }, { routing: { balance } });
  const pools = [near, late].map((node) => new pg.Pool({ ...node, max: 10 }));
  const single = [cluster([near], 'random'), cluster([late], 'random')];
  const balanced = BALANCES.map((balance) => cluster([near, late], balance));
  const all = [...single, ...balanced];
  try {
    for (const each of all) await each.connect();
    proxy.delayMs = DELAY_MS;
    const ways = new Map([
      [REFERENCE, leastOutstanding(pools.map((pool) => () => pool.query('SELECT $1::int', [7])))],
      [CHOICE_ALONE, leastOutstanding(single.map(reader))],
    ]);
    const [fast] = single;
    if (fast) ways.set(BOUND, reader(fast));
    for (const [i, each] of balanced.entries()) ways.set(BALANCES[i] ?? '', reader(each));
    report(await measure(ways));
  } finally {
    for (const each of all) await each.close();
    for (const pool of pools) await pool.end();
  }
}

/** In turns and in a new order each round, so that a busy machine is busy for all of them. */
async function measure(ways: ReadonlyMap<string, Read>): Promise<readonly Round[]> {
  const names = [...ways.keys()];
  const random = seeded(1);
  const rounds: Round[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const figures: [string, Figures][] = [];
    for (const name of shuffled(names, random)) {
      const read = ways.get(name);
      if (read) figures.push([name, await readFor(ROUND_MS, read)]);
    }
    // The first is for warming up.
    if (round >= 0) rounds.push(new Map(figures));
  }
  return rounds;
}

function shuffled(names: readonly string[], random: () => number): string[] {
  const keyed = names.map((name) => ({ name, key: random() }));
  return keyed.sort((one, other) => one.key - other.key).map(({ name }) => name);
}

function report(rounds: readonly Round[]): void {
  const row = (name: string) => {
    const pairs = rounds.flatMap((figures) => {
      const [own, reference] = [figures.get(name), figures.get(REFERENCE)];
      return own && reference ? [{ own, reference }] : [];
    });
    const own = (of: keyof Figures) => pairs.map((pair) => pair.own[of]);
    const ratio = (of: keyof Figures) => pairs.map((pair) => pair.own[of] / pair.reference[of]);
    return {
      'calls/s': spread(own('perSecond'), 0),
      'p50 ms': spread(own('p50')),
      'p99 ms': spread(own('p99')),
      'CPU µs': spread(own('cpu'), 0),
      'late %': spread(own('late')),
      'throughput ratio': spread(ratio('perSecond')),
      'p99 ratio': spread(ratio('p99')),
    };
  };
  console.table(
    Object.fromEntries([REFERENCE, CHOICE_ALONE, BOUND, ...BALANCES].map((name) => [name, row(name)])),
  );
}

bench(`${ROUNDS} rounds, ${CALLERS} callers, one of two replicas ${DELAY_MS} ms slower`, compare, {
  iterations: 1,
  time: 0,
  warmupIterations: 0,
  warmupTime: 0,
});
