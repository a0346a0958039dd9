import { served, type Facts } from '../facts.js';
import { finding, pass, warn, type Finding, type Verdict } from '../finding.js';

/** Whether a PgBouncer or the like hands connections on. */
export function checkPooler(facts: Facts): Finding[] {
  const { prepare } = facts.settings.pool;
  return served(facts).map(({ settings, server }) =>
    finding('pooler', server.isPooled ? pooled(prepare) : pass('none in between'), settings.name),
  );
}

function pooled(prepare: boolean): Verdict {
  const preparing = prepare
    ? 'max_prepared_statements there (PgBouncer 1.21 on), or connection_pool.prepare: false here; '
    : '';
  return warn(
    'a pooler, such as PgBouncer, in between: what is counted and measured is its connections',
    `pool_mode = session there, or no session: true; ${preparing}or connect to the server itself`,
  );
}
