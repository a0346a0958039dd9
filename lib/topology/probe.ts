import { codeOf } from '../errors.js';
import { endOfRecords, parseLsn } from '../lsn.js';
import type { Queryable } from '../query.js';
import type { NodeFacts, ReceiverState } from './observation.js';

/**
 * All of it in one round trip, on either role (manual, sections 9.28.3 and 9.28.4 for positions, 9.27 for
 * the control file, 27.2.4 for the receiver). The timeline comes from the WAL file's name: the control file
 * tells a new one only after the next checkpoint. What a promoted server replayed last is where it left the
 * timeline before.
 */
const FULL_PROBE = `
  SELECT node.standby,
         NOT node.standby AND current_setting('default_transaction_read_only')::bool AS read_only,
         (pg_control_system()).system_identifier::text AS system_id,
         extract(epoch FROM pg_postmaster_start_time())::text AS server_started_at,
         CASE WHEN node.standby THEN receiver.received_tli
              ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS timeline,
         CASE WHEN node.standby THEN
           coalesce(receiver.received_tli, (pg_control_recovery()).min_recovery_end_timeline) END AS replay_timeline,
         CASE WHEN NOT node.standby THEN pg_current_wal_insert_lsn()::text END AS insert_lsn,
         pg_size_bytes(current_setting('wal_segment_size'))::int AS segment_bytes,
         CASE WHEN node.standby THEN pg_last_wal_receive_lsn()::text END AS received_lsn,
         pg_last_wal_replay_lsn()::text AS replayed_lsn,
         CASE WHEN node.standby THEN pg_is_wal_replay_paused() END AS replay_paused,
         CASE WHEN node.standby THEN
           CASE WHEN receiver.pid IS NULL THEN 'none' ELSE coalesce(receiver.status, 'connected') END
         END AS receiver,
         receiver.sender_host, receiver.sender_port
    FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS node
    LEFT JOIN pg_stat_wal_receiver AS receiver ON true`;

const ROLE_PROBE = `
  SELECT pg_is_in_recovery() AS standby,
         NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only')::bool AS read_only`;

/** The server ceased to be a standby between two of the questions: asked again it answers as what it is. */
const PROMOTED_MEANWHILE = '55000';

/** The account may not, or the service offers no such function. */
const HIDDEN = new Set(['42501', '42883', '42P01', '42703', '0A000']);

interface ProbeRow {
  readonly standby: boolean;
  readonly read_only?: boolean | null;
  readonly system_id?: string | null;
  readonly server_started_at?: string | null;
  readonly timeline?: number | null;
  readonly replay_timeline?: number | null;
  readonly insert_lsn?: string | null;
  readonly segment_bytes?: number | null;
  readonly received_lsn?: string | null;
  readonly replayed_lsn?: string | null;
  readonly replay_paused?: boolean | null;
  readonly receiver?: ReceiverState | null;
  readonly sender_host?: string | null;
  readonly sender_port?: number | null;
}

/** Asks a node what it is. Where positions are hidden, its role alone. */
export async function probe(connection: Queryable): Promise<NodeFacts> {
  let row: ProbeRow | undefined;
  try {
    row = await ask(connection, FULL_PROBE).catch((error: unknown) => {
      if (codeOf(error) !== PROMOTED_MEANWHILE) throw error;
      return ask(connection, FULL_PROBE);
    });
  } catch (error) {
    if (!HIDDEN.has(codeOf(error) ?? '')) throw error;
    row = await ask(connection, ROLE_PROBE);
  }
  if (!row) throw new Error('the probe returned no row');
  return toFacts(row);
}

async function ask(connection: Queryable, text: string): Promise<ProbeRow | undefined> {
  return (await connection.query<ProbeRow>(text)).rows[0];
}

function toFacts(row: ProbeRow): NodeFacts {
  return {
    inRecovery: row.standby,
    ...(row.read_only === true && { isReadOnly: true }),
    ...(row.system_id != null && { systemId: row.system_id }),
    ...(row.server_started_at != null && { serverStartedAt: row.server_started_at }),
    ...(row.timeline != null && { timeline: row.timeline }),
    ...(row.replay_timeline != null && { replayTimeline: row.replay_timeline }),
    ...(row.insert_lsn != null &&
      row.segment_bytes != null && { insertLsn: endOfRecords(parseLsn(row.insert_lsn), row.segment_bytes) }),
    ...(row.received_lsn != null && { receivedLsn: parseLsn(row.received_lsn) }),
    ...(row.replayed_lsn != null && {
      [row.standby ? 'replayedLsn' : 'forkLsn']: parseLsn(row.replayed_lsn),
    }),
    ...(row.replay_paused != null && { isReplayPaused: row.replay_paused }),
    ...(row.receiver != null && { receiver: row.receiver }),
    ...(row.sender_host != null &&
      row.sender_port != null && { sender: { host: row.sender_host, port: row.sender_port } }),
  };
}
