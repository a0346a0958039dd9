import { compared } from '../harness/comparison.js';
import { Servers } from '../harness/servers.js';
import { faultsOf } from './faults.js';
import { inTurns, type Turns } from './in-turns.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
/** What is looked for is a few per cent. */
const PROCESSES = 2;
const TURNS: Turns = {
  work: 'write',
  levels: [1, 16, 64],
  processes: PROCESSES,
  rounds: 5 * PROCESSES,
  sliceMs: 200,
  leadMs: 40,
};

/** One row inserted, by nothing decorated: what routing costs where it gains nothing. */
export async function writes(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(1);
  context.saw(await servers.version());
  const target = servers.target(CONNECTIONS);
  const plans = (['pool', 'prepared', 'ours'] as const).map((way) => ({ way, target, processes: PROCESSES }));
  const outcome = await inTurns('writes', plans, TURNS, context);
  return {
    tables: [
      compared(outcome, TURNS.levels, {
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
