import { compared } from '../harness/comparison.js';
import type { Outcome } from '../harness/contest.js';
import { installPeers } from '../harness/peers.js';
import { Pgbench } from '../harness/pgbench.js';
import { Pgpool } from '../harness/pgpool.js';
import { Servers } from '../harness/servers.js';
import type { WayPlan } from '../harness/way-contestant.js';
import type { WayName } from '../ways/catalogue.js';
import { faultsOf } from './faults.js';
import { inTurns, type Turns } from './in-turns.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
/** Of those whose ratios are asked for. */
const PROCESSES = 2;
const TURNS: Turns = {
  work: 'read',
  levels: [1, 16, 64],
  processes: PROCESSES,
  rounds: 5 * PROCESSES,
  sliceMs: 180,
  leadMs: 30,
};
const MAIN: readonly WayName[] = ['pool', 'ours', 'ours-scope'];
const BESIDE: readonly WayName[] = ['prepared', 'pipelined'];
const PEERS: readonly WayName[] = [
  'postgres-js',
  'drizzle-replicas',
  'typeorm-raw',
  'typeorm-replicas',
  'sequelize-raw',
  'prisma-replicas',
];
/** Nobody asks for their figures to the hundredth. */
const PEERS_EVERY = 4;
/** What the project asks of its own ways. */
const ASKED = [
  'asked of nestjs-pg-mcp with 1 caller: throughput ≥ 1.15, CPU ≤ 1.0, p99 ≤ 1.0',
  'asked with 16 callers: throughput ≥ 2.0, CPU ≤ 0.65, p99 ≤ 0.9',
  'asked with 64 callers: throughput ≥ 2.5, CPU ≤ 0.55, p99 ≤ 0.9',
];

/** One row by its key, of 100,000: over one replica, then over two. */
export async function reads(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(2);
  context.saw(await servers.version());
  const one = await oneReplica(servers, context);
  const two = await twoReplicas(servers, context);
  const table = (outcome: Outcome, title: string, reference: string, notes: readonly string[] = []) =>
    compared(outcome, TURNS.levels, { title, unit: 'reads/s', reference, notes: [...ASKED, ...notes] });
  return {
    tables: [
      table(one, 'Point reads, one primary and one replica: ratios to `pg.Pool`', 'pool', one.notes),
      table(two, 'Point reads, one primary and two replicas: ratios to round robin by hand', 'pools'),
    ],
    samples: [...one.samples, ...two.samples],
    faults: [one, two].flatMap(faultsOf),
  };
}

async function oneReplica(servers: Servers, context: RunContext): Promise<Outcome & Noted> {
  const target = servers.target(CONNECTIONS, 1);
  const [replica = target.primary] = target.replicas;
  let missing: string | undefined;
  await using pgpool = await Pgpool.start(target).catch((error: Error) => {
    missing = error.message;
    return undefined;
  });
  await using pgbench = await Pgbench.create(replica, CONNECTIONS);
  const { peers, notes } = await peersFor(context);
  const proxied = { ...target, ...(pgpool && { proxy: pgpool.address }) };
  const plans: WayPlan[] = [
    ...MAIN.map((way) => ({ way, target, processes: PROCESSES })),
    ...BESIDE.map((way) => ({ way, target })),
    { way: 'pgpool', target: proxied, every: PEERS_EVERY, missing },
    ...peers.map((way) => ({ way, target, every: PEERS_EVERY })),
  ];
  const outcome = await inTurns('reads, one replica', plans, TURNS, context, [
    pgbench.contestant(PEERS_EVERY),
  ]);
  return { ...outcome, notes };
}

interface Noted {
  readonly notes: readonly string[];
}

async function peersFor({ bare, progress }: RunContext): Promise<Noted & { peers: readonly WayName[] }> {
  if (bare) return { peers: [], notes: ['the peers were left out'] };
  try {
    await installPeers(progress);
    return { peers: PEERS, notes: [] };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    progress(reason);
    return { peers: [], notes: [reason] };
  }
}

function twoReplicas(servers: Servers, context: RunContext): Promise<Outcome> {
  const target = servers.target(CONNECTIONS, 2);
  const plans = (['pools', 'ours', 'ours-scope'] as const).map((way) => ({
    way,
    target,
    processes: PROCESSES,
  }));
  return inTurns('reads, two replicas', plans, TURNS, context);
}
