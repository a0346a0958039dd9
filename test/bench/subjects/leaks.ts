import { compared } from '../harness/comparison.js';
import { hold } from '../harness/contest.js';
import { Servers } from '../harness/servers.js';
import { COMPILE_MS, WayProcesses } from '../harness/way-contestant.js';
import { faultsOf } from './faults.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
const LEVELS = [1, 10];
/** Many short ones: what is measured is a few per cent. */
const PROCESSES = 3;
const ROUNDS = 15 * PROCESSES;
const SLICE_MS = 80;
const LEAD_MS = 20;

/** A lease taken, one row read by it, given back: without and with leak detection. */
export async function leaks(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(1);
  context.saw(await servers.version());
  await using processes = new WayProcesses();
  const target = servers.target(CONNECTIONS);
  const contestants = await processes.contestants(
    (['ours-lease', 'ours-lease-watched'] as const).map((way) => ({ way, target, processes: PROCESSES })),
    { work: 'read', ms: context.ms(SLICE_MS), leadMs: context.ms(LEAD_MS) },
    { callers: Math.max(...LEVELS), ms: context.ms(COMPILE_MS) },
  );
  const outcome = await hold({
    contestants,
    levels: LEVELS,
    rounds: context.rounds(ROUNDS),
    warmUps: PROCESSES,
    onRound: context.onRound('leaks'),
  });
  return {
    tables: [
      compared(outcome, LEVELS, {
        title: 'A lease for each read: ratios to those without leak detection',
        unit: 'leases/s',
        reference: 'ours-lease',
        notes: ['asked of nestjs-pg-mcp: CPU and throughput within 5 %'],
      }),
    ],
    samples: outcome.samples,
    faults: faultsOf(outcome),
  };
}
