import { compared } from '../harness/comparison.js';
import { Servers } from '../harness/servers.js';
import { faultsOf } from './faults.js';
import { inTurns, type Turns } from './in-turns.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
const PROCESSES = 3;
/** Many short ones: what is measured is a few per cent. */
const TURNS: Turns = {
  work: 'read',
  levels: [1, 10],
  processes: PROCESSES,
  rounds: 15 * PROCESSES,
  sliceMs: 80,
  leadMs: 20,
};

/** A lease taken, one row read by it, given back: without and with leak detection. */
export async function leaks(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(1);
  context.saw(await servers.version());
  const target = servers.target(CONNECTIONS);
  const ways = ['ours-lease', 'ours-lease-watched'] as const;
  const plans = ways.map((way) => ({ way, target, processes: PROCESSES }));
  const outcome = await inTurns('leaks', plans, TURNS, context);
  return {
    tables: [
      compared(outcome, TURNS.levels, {
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
