import { compared } from '../harness/comparison.js';
import { hold } from '../harness/contest.js';
import { Servers } from '../harness/servers.js';
import { COMPILE_MS, WayProcesses } from '../harness/way-contestant.js';
import { faultsOf } from './faults.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
const LEVELS = [1, 16, 64];
/** What is looked for is a few per cent. */
const PROCESSES = 2;
const ROUNDS = 5 * PROCESSES;
const SLICE_MS = 200;
const LEAD_MS = 40;

/** One row inserted, by nothing decorated: what routing costs where it gains nothing. */
export async function writes(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(1);
  context.saw(await servers.version());
  await using processes = new WayProcesses();
  const target = servers.target(CONNECTIONS);
  const contestants = await processes.contestants(
    (['pool', 'prepared', 'ours'] as const).map((way) => ({ way, target, processes: PROCESSES })),
    { work: 'write', ms: context.ms(SLICE_MS), leadMs: context.ms(LEAD_MS) },
    { callers: Math.max(...LEVELS), ms: context.ms(COMPILE_MS) },
  );
  const outcome = await hold({
    contestants,
    levels: LEVELS,
    rounds: context.rounds(ROUNDS),
    warmUps: PROCESSES,
    onRound: context.onRound('writes'),
  });
  return {
    tables: [
      compared(outcome, LEVELS, {
        title: 'Inserts of one row: ratios to `pg.Pool`',
        unit: 'writes/s',
        reference: 'pool',
        notes: ['asked of nestjs-pg-mcp: throughput ≥ 0.97'],
      }),
    ],
    samples: outcome.samples,
    faults: faultsOf(outcome),
  };
}
