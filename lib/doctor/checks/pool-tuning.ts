import { served, type Facts, type ServerFacts } from '../facts.js';
import { finding, pass, warn, type Finding, type Verdict } from '../finding.js';
import { numberOf } from '../parameters.js';
import { demandOf, freeIn, roomIn } from './pool-size.js';

/** Advice, and no law: within this factor either way it is taken. */
const TOLERANCE = 2;

/** What the pool should be, by the cores here and the workers there, beside what it is. */
export function checkPoolTuning(facts: Facts): Finding[] {
  const { minConnections, maxConnections } = facts.settings.pool;
  const nodes = served(facts).map(({ settings, server }) => {
    const { value, reason } = recommendedMax(facts, server);
    const verdict = compare('max_connections', maxConnections, value, reason);
    return finding('pool-tuning', verdict, settings.name);
  });
  const min = Math.min(Math.max(1, Math.round(facts.cores / 2)), maxConnections);
  const verdict = compare('min_connections', minConnections, min, `${facts.cores} cores / 2`);
  return [finding('pool-tuning', verdict), ...nodes];
}

/** `max_worker_processes * 2 + 1`, as far as the server has room for that. */
export function recommendedMax(facts: Facts, server: ServerFacts): { value: number; reason: string } {
  const workers = numberOf(server.parameters, 'max_worker_processes') ?? 0;
  const { processes, beside } = demandOf(facts, server);
  const bound = Math.max(1, Math.floor(freeIn(roomIn(server)) / processes) - beside);
  const wanted = workers * 2 + 1;
  if (bound < wanted)
    return { value: bound, reason: `what the server has room for in ${processes} processes` };
  return { value: wanted, reason: `max_worker_processes ${workers} × 2 + 1` };
}

function compare(name: string, today: number, recommended: number, reason: string): Verdict {
  const seen = `${name} is ${today}; recommended: ${recommended} (${reason})`;
  const isNear = today * TOLERANCE >= recommended && today <= recommended * TOLERANCE;
  return isNear ? pass(seen) : warn(seen, `set connection_pool.${name} to about ${recommended}`);
}
