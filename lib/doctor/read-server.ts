import type { NodeSession } from '../failover/node-session.js';
import type { ClientCounts, ClockSample, ServerFacts, Slot } from './facts.js';

/** What the checks read in `pg_settings`. */
const PARAMETERS = [
  'cluster_name',
  'hot_standby_feedback',
  'max_connections',
  'max_slot_wal_keep_size',
  'max_standby_streaming_delay',
  'max_wal_senders',
  'max_worker_processes',
  'reserved_connections',
  'superuser_reserved_connections',
  'synchronous_commit',
  'synchronous_standby_names',
  'tcp_keepalives_idle',
  'wal_keep_size',
  'wal_level',
  'wal_receiver_timeout',
];

const SERVER = `
  SELECT pg_is_in_recovery() AS standby, current_setting('server_version') AS version,
         pg_backend_pid() AS pid, pg_has_role('pg_monitor', 'USAGE') AS monitor`;

/** Connections that count for `max_connections`. Who may not see the kind of a backend sees its database at least. */
const CLIENTS = `
  SELECT count(*) FILTER (WHERE name = $1 || ' monitor')::int AS probes,
         count(*) FILTER (WHERE name NOT IN ($1, $1 || ' monitor', $1 || ' failover', $1 || ' doctor'))::int AS others
    FROM (SELECT coalesce(application_name, '') AS name
            FROM pg_stat_activity
           WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
             AND pid <> pg_backend_pid()) AS client`;

/** But for those that a standby keeps in step with its primary's, which nobody uses there (PostgreSQL 17 on). */
const SLOTS = `
  SELECT slot_name::text AS name, active, wal_status AS "walStatus",
         coalesce(pg_wal_lsn_diff(here.lsn, restart_lsn), 0)::float8 AS "retainedBytes"
    FROM pg_replication_slots AS slot,
         (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) AS here
   WHERE NOT temporary AND NOT coalesce((to_jsonb(slot) ->> 'synced')::boolean, false)`;

const STANDBYS = `SELECT application_name AS name FROM pg_stat_replication ORDER BY name`;

const CLOCK = `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at`;
const CLOCK_SAMPLES = 3;

export interface ReadServerParts {
  readonly session: NodeSession;
  /** Of who answered when the connection was opened. */
  readonly greetedBy: number | undefined;
  readonly applicationName: string;
  /** Milliseconds since 1970, as this machine has it. */
  readonly wallClock: () => number;
}

/** What the account of the probes sees of a server. */
export async function readServer({
  session,
  greetedBy,
  applicationName,
  wallClock,
}: ReadServerParts): Promise<ServerFacts> {
  const { standby, version, pid, monitor } = await session.row<{
    standby: boolean;
    version: string;
    pid: number;
    monitor: boolean;
  }>(SERVER);
  const parameters = await session.query<{ name: string; setting: string }>(
    'SELECT name, setting FROM pg_settings WHERE name = ANY($1)',
    [PARAMETERS],
  );
  const standbys = await session.query<{ name: string }>(STANDBYS);
  return {
    role: standby ? 'replica' : 'primary',
    version,
    parameters: new Map(parameters.rows.map(({ name, setting }) => [name, setting])),
    isMonitor: monitor,
    clients: await session.row<ClientCounts>(CLIENTS, [applicationName]),
    slots: (await session.query<Slot>(SLOTS)).rows,
    standbys: standbys.rows.map(({ name }) => name),
    clock: await readClock(session, wallClock),
    isPooled: greetedBy !== undefined && greetedBy !== pid,
  };
}

/** The quickest of some round trips: the shorter, the less its middle can be off. */
async function readClock(session: NodeSession, wallClock: () => number): Promise<ClockSample> {
  const samples: ClockSample[] = [];
  for (let i = 0; i < CLOCK_SAMPLES; i++) {
    const asked = wallClock();
    const { at } = await session.row<{ at: number }>(CLOCK);
    const tripMs = wallClock() - asked;
    samples.push({ aheadMs: at - (asked + tripMs / 2), uncertaintyMs: tripMs / 2 });
  }
  return samples.reduce((best, sample) => (sample.uncertaintyMs < best.uncertaintyMs ? sample : best));
}
