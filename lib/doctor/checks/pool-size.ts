import { served, type Facts, type ServerFacts } from '../facts.js';
import { fail, finding, pass, warn, type Finding, type Verdict } from '../finding.js';
import { numberOf } from '../parameters.js';

/** Of what is free, so much may be planned for: operators, migrations and deployments need some too. */
const COMFORTABLE_SHARE = 0.8;

/** Whether the pools of all processes fit into each server. Any of them may be the primary tomorrow. */
export function checkPoolSize(facts: Facts): Finding[] {
  return served(facts).map(({ settings, server }) =>
    finding('pool-size', judge(demandOf(facts, server), roomIn(server)), settings.name),
  );
}

export interface Demand {
  readonly processes: number;
  /** Of one process. */
  readonly pool: number;
  /** Of one process: its probe, and what a promotion takes. */
  readonly beside: number;
}

export function demandOf({ settings, processes }: Facts, { clients }: ServerFacts): Demand {
  return {
    processes: processes ?? Math.max(1, clients.probes),
    pool: settings.pool.maxConnections,
    beside: settings.failover.mode === 'promote' ? 2 : 1,
  };
}

export interface Room {
  readonly max: number;
  readonly reserved: number;
  readonly others: number;
}

export function roomIn({ parameters, clients }: ServerFacts): Room {
  const reserved =
    (numberOf(parameters, 'superuser_reserved_connections') ?? 0) +
    // PostgreSQL 16 on.
    (numberOf(parameters, 'reserved_connections') ?? 0);
  return { max: numberOf(parameters, 'max_connections') ?? 0, reserved, others: clients.others };
}

export function freeIn({ max, reserved, others }: Room): number {
  return Math.max(0, max - reserved - others);
}

function judge({ processes, pool, beside }: Demand, room: Room): Verdict {
  const [wanted, free] = [processes * (pool + beside), freeIn(room)];
  const seen =
    `${processes} × ${pool + beside} connections of ${free} that are free ` +
    `(max_connections ${room.max}, ${room.reserved} reserved, ${room.others} of other clients)`;
  if (wanted <= free * COMFORTABLE_SHARE) return pass(seen);
  const most = Math.floor((free * COMFORTABLE_SHARE) / processes) - beside;
  const smaller = most > 0 ? `connection_pool.max_connections of ${most} at most, or ` : '';
  const larger = Math.ceil(wanted / COMFORTABLE_SHARE) + room.max - free;
  const remedy = `${smaller}a max_connections of ${larger} there, or a pooler in between`;
  return wanted > free ? fail(seen, remedy) : warn(seen, remedy);
}
