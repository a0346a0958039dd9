import { hold, type Contestant, type Outcome } from '../harness/contest.js';
import { growthTable, sampleName, type Series } from '../harness/growth.js';
import { Servers } from '../harness/servers.js';
import { WayProcesses, type Runner } from '../harness/way-contestant.js';
import { findWay, type WayName } from '../ways/catalogue.js';
import type { Target } from '../ways/way.js';
import { faultsOf } from './faults.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
const CALLERS = 16;
const ROUNDS = 7;
const SLICE_MS = 180;
const LEAD_MS = 60;
/** Each process is new: it has connections to open and itself to compile. */
const WARM_UP_MS = 1_500;
const MOST_NODES = 8;

/** What grows. */
interface Growth {
  readonly title: string;
  readonly ways: readonly WayName[];
  readonly sizes: readonly number[];
  /** What to know of its figures. */
  readonly notes?: readonly string[];
  target?(size: number): Partial<Target>;
  callers?(size: number): number;
  readonly warmUpMs?: number;
}

/** What a point read costs its process as the cluster, the texts, the callers and the scopes grow. */
export async function growth(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(MOST_NODES - 1);
  context.saw(await servers.version());
  const all: readonly Growth[] = [
    {
      title: 'Nodes, the primary among them',
      ways: ['ours', 'pipelined'],
      sizes: [1, 2, 4, MOST_NODES],
      notes: [`${CALLERS} callers each time: over more nodes, a packet has fewer of their reads`],
      target: (nodes) => servers.target(CONNECTIONS, nodes - 1),
    },
    {
      title: 'Nodes, with callers for each',
      ways: ['ours', 'pipelined'],
      sizes: [1, 2, 4, MOST_NODES],
      notes: [
        `${CALLERS} callers for each node; but those who are answered by one packet go on to several nodes, and one packet to each costs more than one for all`,
      ],
      target: (nodes) => servers.target(CONNECTIONS, nodes - 1),
      callers: (nodes) => CALLERS * nodes,
    },
    {
      title: 'Distinct texts',
      ways: ['ours', 'pool'],
      sizes: [10, 100, 1_000, 10_000],
      notes: ['in turn: a cache that is smaller than their number never has the next one'],
      target: (texts) => ({ texts }),
      // There are 10,000 to parse.
      warmUpMs: 4_000,
    },
    { title: 'Callers', ways: ['ours', 'pool'], sizes: [1, 10, 100, 1_000], callers: (callers) => callers },
    {
      title: 'Replica scopes, one in the other',
      ways: ['ours-scope'],
      sizes: [1, 2, 3, 4, 5],
      target: (depth) => ({ depth }),
    },
  ];
  const reports: Report[] = [];
  for (const each of all) reports.push(await measure(each, servers.target(CONNECTIONS, 1), context));
  return {
    tables: reports.flatMap(({ tables }) => tables),
    samples: reports.flatMap(({ samples }) => samples),
    faults: reports.flatMap(({ faults }) => faults),
  };
}

async function measure(growth: Growth, target: Target, context: RunContext): Promise<Report> {
  await using processes = new WayProcesses();
  const { title, ways, sizes, warmUpMs = WARM_UP_MS } = growth;
  const all = ways.map((way): Series & { way: WayName } => ({
    way,
    name: `${way}/${title}`,
    label: findWay(way).label,
    sizes,
  }));
  const slice = { work: 'read', ms: context.ms(SLICE_MS), leadMs: context.ms(LEAD_MS) } as const;
  const open = async (way: WayName, size: number) => {
    const process = await processes.open({ way, target: { ...target, ...growth.target?.(size) } });
    // Why it fails is told when it is measured.
    await process.run({ ...slice, callers: CALLERS, ms: context.ms(warmUpMs) }).catch(() => {});
    return process;
  };
  const contestants: Contestant[] = [];
  for (const { way, name, label } of all) {
    let process: Runner | undefined;
    for (const size of sizes) {
      // Callers can grow in one process.
      const opened = (process = growth.target || !process ? await open(way, size) : process);
      const callers = growth.callers?.(size) ?? CALLERS;
      contestants.push({
        name: sampleName(name, size),
        label: `${label}, ${title.toLowerCase()} ${size}`,
        every: 1,
        measure: () => opened.run({ ...slice, callers }),
      });
    }
  }
  const rounds = context.rounds(ROUNDS);
  const onRound = context.onRound(`growth, ${title.toLowerCase()}`);
  const outcome: Outcome = await hold({ contestants, levels: [CALLERS], rounds, warmUps: 1, onRound });
  const table = growthTable(`Growth: ${title.toLowerCase()}`, all, outcome);
  return {
    tables: [{ ...table, notes: [...(growth.notes ?? []), ...table.notes] }],
    samples: outcome.samples,
    faults: faultsOf(outcome),
  };
}
