import { toStatement, type Queryable } from '../query.js';
import type { Driver } from '../pool/driver.js';
import type { KnownTexts } from '../pool/known-texts.js';
import type { FinderParts } from './connection-finder.js';
import { CommitOutcomes } from './commit-outcomes.js';
import { Demands } from './demands.js';
import { Dispatcher } from './dispatcher.js';
import { KeptTexts } from './kept-texts.js';
import type { LeakWatch } from './leak-watch.js';
import { ScopedCalls } from './scoped-calls.js';
import { Sessions } from './sessions.js';
import { ShadowCount } from './shadow-report.js';
import { StatementClasses } from './statement-classes.js';

export interface ExecutionParts extends Omit<FinderParts, 'classes' | 'loads' | 'waiting' | 'outcomes'> {
  readonly texts: KnownTexts;
  readonly driver: Driver;
  readonly leaks: LeakWatch | undefined;
}

/** Puts together what carries the calls of one cluster out. */
export function assembleExecution(parts: ExecutionParts) {
  const { settings, clock, monitor, tally, texts, leaks } = parts;
  const { safeFunctions } = settings.routing;
  const accountsDiffer = settings.nodes.some(
    ({ accounts: { primary, replica } }) => primary.user !== replica.user,
  );
  const ask: Queryable['query'] = (statement, values) =>
    dispatcher.query({ target: 'primary', reason: 'catalog' }, toStatement(statement, values));
  const classes = new StatementClasses({
    clock,
    options: { safeFunctions, accountsDiffer },
    primary: { query: ask },
  });
  const [keptTexts, shadow] = [new KeptTexts(), new ShadowCount()];
  const dispatcher: Dispatcher = new Dispatcher({
    ...parts,
    classes,
    keptTexts,
    outcomes: new CommitOutcomes(parts),
  });
  const demands = new Demands({ settings, clock, keptTexts, shadow });
  const { acquireTimeoutMs } = settings.pool;
  const calls = new ScopedCalls({
    dispatcher,
    demands,
    classes,
    texts,
    tally,
    clock,
    acquireTimeoutMs,
    leaks,
  });
  const sessions = new Sessions({ settings: settings.session, clock, monitor, calls, tally });
  return { dispatcher, classes, calls, sessions, shadow };
}
