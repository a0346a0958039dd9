import { hold, type Contestant, type Outcome } from '../harness/contest.js';
import { growthTable, sampleName, type Series } from '../harness/growth.js';
import { Servers } from '../harness/servers.js';
import type { Table } from '../harness/table.js';
import { COMPILE_MS, warmUp, WayProcesses, type Runner } from '../harness/way-contestant.js';
import { findWay, type WayName } from '../ways/catalogue.js';
import type { Target } from '../ways/way.js';
import { faultsOf } from './faults.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
const CALLERS = 16;
/** Of each of our own, at each size; one of the others, which are only to be seen beside them. */
const PROCESSES = 3;
/** Many: on a shared machine a process takes twice as long for a call in one slice as in another. */
const ROUNDS = 4 * PROCESSES;
const SLICE_MS = 120;
const LEAD_MS = 40;
const OTHERS_EVERY = 4;
/** Each size has connections to open. */
const WARM_UP_MS = 500;
const MOST_NODES = 8;

/** What grows. */
interface Growth {
  readonly ways: readonly WayName[];
  readonly sizes: readonly number[];
  readonly curves: readonly Curve[];
  target?(size: number): Partial<Target>;
  warmUpMs?(size: number): number;
}

/** One table of what a call costs at each size. */
interface Curve {
  readonly title: string;
  /** What to know of its figures. */
  readonly notes?: readonly string[];
  callers?(size: number): number;
}

/** What a point read costs its process as the cluster, the texts, the callers and the scopes grow. */
export async function growth(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(MOST_NODES - 1);
  context.saw(await servers.version());
  const all: readonly Growth[] = [
    {
      ways: ['ours', 'pipelined'],
      sizes: [1, 2, 4, MOST_NODES],
      target: (nodes) => servers.target(CONNECTIONS, nodes - 1),
      curves: [
        {
          title: 'Nodes, the primary among them',
          notes: [`${CALLERS} callers each time: over more nodes, a packet has fewer of their reads`],
        },
        {
          title: 'Nodes, with callers for each',
          notes: [
            `${CALLERS} callers for each node; but those who are answered by one packet go on to several nodes, and one packet to each costs more than one for all`,
          ],
          callers: (nodes) => CALLERS * nodes,
        },
      ],
    },
    {
      ways: ['ours', 'pool'],
      sizes: [10, 100, 1_000, 10_000],
      target: (texts) => ({ texts }),
      // There are so many to parse, and each has to come three times to be one of those that go together.
      warmUpMs: (texts) => WARM_UP_MS + texts / 2,
      curves: [
        {
          title: 'Distinct texts',
          notes: [
            'in turn: a cache that is smaller than their number never has the next one; what a connection does not keep prepared, the server parses with each call, as it does all of `pg.Pool`',
          ],
        },
      ],
    },
    {
      ways: ['ours', 'pool'],
      sizes: [1, 10, 100, 1_000],
      curves: [{ title: 'Callers', callers: (callers) => callers }],
    },
    {
      ways: ['ours-scope'],
      sizes: [1, 2, 3, 4, 5],
      target: (depth) => ({ depth }),
      curves: [{ title: 'Replica scopes, one in the other' }],
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
  const { ways, sizes, curves } = growth;
  const titles = curves.map(({ title }) => title.toLowerCase()).join('; ');
  const slice = { work: 'read', ms: context.ms(SLICE_MS), leadMs: context.ms(LEAD_MS) } as const;
  const callersOf = (curve: Curve, size: number) => curve.callers?.(size) ?? CALLERS;
  const contestants: Contestant[] = [];
  for (const way of ways) {
    const runnerOf = await open(way);
    for (const curve of curves)
      for (const [i, size] of sizes.entries())
        contestants.push({
          name: sampleName(seriesOf(way, curve, sizes).name, size),
          label: `${findWay(way).label}, ${curve.title.toLowerCase()} ${size}`,
          every: isOurs(way) ? 1 : OTHERS_EVERY,
          measure: (_, round) => runnerOf(i).run({ ...slice, callers: callersOf(curve, size) }, round),
        });
  }
  const outcome: Outcome = await hold({
    contestants,
    levels: [CALLERS],
    rounds: context.rounds(ROUNDS),
    // A process that has rested since is slow at first.
    warmUps: PROCESSES,
    onRound: context.onRound(`growth, ${titles}`),
  });
  return {
    tables: curves.map((curve) => tableOf(curve, growth, outcome)),
    samples: outcome.samples,
    faults: faultsOf(outcome),
  };

  /** All sizes in one process: between two of them lies nothing but the size. */
  async function open(way: WayName): Promise<(at: number) => Runner> {
    const count = isOurs(way) ? PROCESSES : 1;
    const targets = sizes.map((size) => ({ ...target, ...growth.target?.(size) }));
    const runnerOf = await processes.openOnEach({ way, targets, processes: count });
    for (const [i, size] of sizes.entries()) {
      const ms = context.ms((i === 0 ? COMPILE_MS : 0) + (growth.warmUpMs?.(size) ?? WARM_UP_MS));
      // As many as will come.
      const callers = Math.max(...curves.map((curve) => callersOf(curve, size)));
      await warmUp(runnerOf(i), { ...slice, callers, ms }, count);
    }
    return runnerOf;
  }
}

function tableOf(curve: Curve, { ways, sizes }: Growth, outcome: Outcome): Table {
  const all = ways.map((way) => seriesOf(way, curve, sizes));
  const table = growthTable(`Growth: ${curve.title.toLowerCase()}`, all, outcome);
  return { ...table, notes: [...(curve.notes ?? []), ...table.notes] };
}

function isOurs(way: WayName): boolean {
  return way.startsWith('ours');
}

function seriesOf(way: WayName, { title }: Curve, sizes: readonly number[]): Series {
  return { name: `${way}/${title}`, label: findWay(way).label, sizes };
}
