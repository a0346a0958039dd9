import { compared } from '../harness/comparison.js';
import { hold } from '../harness/contest.js';
import { Servers } from '../harness/servers.js';
import { WayProcesses } from '../harness/way-contestant.js';
import { faultsOf } from './faults.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
const LEVELS = [1, 10];
/** Many short ones: what is measured is a few per cent. */
const ROUNDS = 60;
const WARM_UPS = 20;
const SLICE_MS = 100;
const LEAD_MS = 20;

/** A lease taken, one row read by it, given back: without and with leak detection. */
export async function leaks(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(1);
  context.saw(await servers.version());
  await using processes = new WayProcesses();
  const target = servers.target(CONNECTIONS);
  const contestants = await processes.contestants(
    (['ours-lease', 'ours-lease-watched'] as const).map((way) => ({ way, target })),
    { work: 'read', ms: context.ms(SLICE_MS), leadMs: context.ms(LEAD_MS) },
  );
  const outcome = await hold({
    contestants,
    levels: LEVELS,
    rounds: context.rounds(ROUNDS),
    warmUps: context.rounds(WARM_UPS),
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
