import type { Reading } from '../statement/reading.js';
import type { Obstacle } from '../statement/statement-class.js';
import { judgeBuiltin, READS_TABLE } from './builtin-functions.js';
import type { FunctionEntry, RelationEntry } from './entries.js';

/** One of PostgreSQL's own, or what stands for one. */
export function judgeServerFunction(
  { name, volatility }: FunctionEntry,
  mode: Reading['mode'],
  calledAs: string,
): Obstacle | undefined {
  const reads = READS_TABLE.includes(name)
    ? ({ reason: 'volatile-function', writes: true } as const)
    : undefined;
  const verdict = judgeBuiltin(name, volatility) ?? reads;
  if (!verdict || (mode === 'plan' && volatility === 'v')) return undefined;
  const detail = `${calledAs}()`;
  return 'isLastingLock' in verdict && verdict.isLastingLock
    ? {
        kind: 'session',
        reason: 'lock',
        detail,
        remedy:
          'its lock belongs to one connection: use getConnection(), or pg_advisory_xact_lock in transaction()',
      }
    : { kind: 'primary', reason: verdict.reason, detail, writes: verdict.writes };
}

/** A function whose body can't be seen through. */
export function unproven({ schema, name }: FunctionEntry): Obstacle {
  return { kind: 'primary', reason: 'volatile-function', detail: `${schema}.${name}()`, writes: true };
}

/** The same obstacle, met behind a function or view; what a function leaves on its connection is a write, too. */
export function within(
  { schema, name, ...entry }: FunctionEntry | RelationEntry,
  found: Obstacle | undefined,
): Obstacle | undefined {
  if (!found) return undefined;
  const detail = `${found.detail} in ${schema}.${name}${'language' in entry ? '()' : ''}`;
  return found.kind === 'primary' && found.reason !== 'unknown-name'
    ? { ...found, detail }
    : { kind: 'primary', reason: 'volatile-function', detail, writes: true };
}
