import { divided } from '../harness/comparison.js';
import { hold, type Contestant, type Outcome } from '../harness/contest.js';
import type { Figures } from '../harness/figures.js';
import { Servers } from '../harness/servers.js';
import { written } from '../harness/statistics.js';
import { TableLock } from '../harness/table-lock.js';
import type { Table } from '../harness/table.js';
import { pause } from '../harness/until.js';
import { named, WayProcesses, type Runner, type WayPlan } from '../harness/way-contestant.js';
import { faultsOf } from './faults.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
const CALLERS = 64;
const ROUNDS = 5;
const LEAD_MS = 100;
const HELD_MS = 1_000;
/** Some are left to be answered when the lock has gone. */
const SLICE_MS = HELD_MS + 300;
const OTHERS_EVERY = 3;

/** 64 callers of quick reads, without and with one among them that waits a second for a lock. */
export async function head(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(1);
  context.saw(await servers.version());
  await using lock = await TableLock.open(servers);
  await using processes = new WayProcesses();
  const target = servers.target(CONNECTIONS);
  const plans: WayPlan[] = [
    { way: 'ours', target },
    { way: 'ours-scope', target },
    { way: 'pool', target, every: OTHERS_EVERY },
    { way: 'pipelined', target, every: OTHERS_EVERY },
  ];
  const contestants: Contestant[] = [];
  for (const plan of plans) contestants.push(...pair(plan, await processes.open(plan), lock, context));
  const rounds = context.rounds(ROUNDS);
  const outcome = await hold({
    contestants,
    levels: [CALLERS],
    rounds,
    // A slice is long.
    warmUps: 1,
    onRound: context.onRound('head of the line'),
  });
  return {
    tables: [tableOf(outcome, plans.map(named))],
    samples: outcome.samples,
    faults: faultsOf(outcome),
  };
}

const withLock = (name: string) => `${name}/with`;

/** The same process without and with the slow read, in turns like two ways. */
function pair(plan: WayPlan, process: Runner, lock: TableLock, context: RunContext): Contestant[] {
  const { name, label, every } = named(plan);
  const slice = { work: 'read', ms: context.ms(SLICE_MS), leadMs: LEAD_MS } as const;
  let turn = 0;
  const measureWith = async (callers: number) => {
    await lock.take();
    // A new text each time: nobody knows that it is slow.
    const aside = `SELECT id FROM held WHERE id < ${++turn}`;
    const measured = process.run({ ...slice, callers, aside });
    try {
      await Promise.race([pause(LEAD_MS + context.ms(HELD_MS)), measured]);
    } finally {
      await lock.release();
    }
    return await measured;
  };
  return [
    { name, label, every, measure: (callers) => process.run({ ...slice, callers }) },
    { name: withLock(name), label: `${label}, with the slow read`, every, measure: measureWith },
  ];
}

function tableOf({ samples, failures }: Outcome, ways: readonly { name: string; label: string }[]): Table {
  const rows = ways.map(({ name, label }) => {
    const of = (name: string) => samples.filter((sample) => sample.name === name);
    const without = of(name).map(({ figures }) => figures);
    const beside = of(withLock(name)).map(({ figures }) => figures);
    if (without.length !== beside.length || without.length === 0) return [label, 'not measured'];
    const figures = (of: readonly Figures[], key: keyof Figures, digits: number) =>
      written(
        of.map((each) => each[key]),
        digits,
      );
    const ratios = beside.map(({ p99 }, round) => divided(p99, without[round]?.p99));
    const extra = beside.map(({ max = NaN }, round) => max - (without[round]?.max ?? NaN));
    return [
      label,
      figures(without, 'p99', 2),
      figures(beside, 'p99', 2),
      written(ratios, 2),
      figures(without, 'max', 0),
      figures(beside, 'max', 0),
      written(extra, 0),
      figures(beside, 'aside', 0),
    ];
  });
  return {
    title: `Quick reads beside one that waits a second for a lock, one replica, ${CALLERS} callers`,
    columns: ['', 'p99 ms', 'with it', '×', 'longest ms', 'with it', 'more ms', 'the slow read ms'],
    rows,
    notes: [
      'asked of nestjs-pg-mcp: p99 with it ≤ 1.5 × of that without, and no quick read takes over 100 ms more',
      ...Object.entries(failures).map(([label, reason]) => `${label}: ${reason}`),
    ],
  };
}
