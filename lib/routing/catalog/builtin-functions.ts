import type { PrimaryReason } from '../statement/statement-class.js';

/** Volatile functions of PostgreSQL that a standby runs as well, with no effect and as good an answer. */
const HARMLESS: ReadonlySet<string> = new Set(
  `amvalidate array_sample array_shuffle clock_timestamp current_query gen_random_uuid lo_close
  lo_get lo_lseek lo_lseek64 lo_tell lo_tell64 loread
  pg_collation_actual_version pg_control_init pg_control_system pg_database_collation_actual_version
  pg_database_size pg_get_backend_memory_contexts pg_get_loaded_modules pg_get_shmem_allocations
  pg_get_shmem_allocations_numa pg_get_wait_events pg_get_wal_replay_pause_state
  pg_get_wal_resource_managers pg_hba_file_rules pg_ident_file_mappings pg_indexes_size pg_is_in_recovery
  pg_is_wal_replay_paused pg_jit_available pg_last_wal_receive_lsn pg_last_wal_replay_lsn
  pg_last_xact_replay_timestamp pg_partition_ancestors pg_partition_tree pg_relation_size
  pg_show_all_file_settings pg_sleep pg_sleep_for pg_sleep_until pg_table_size pg_tablespace_size
  pg_total_relation_size pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status random
  random_normal setseed timeofday txid_status uuidv4 uuidv7`.split(/\s+/),
);

/** Not volatile, and yet refused during recovery: found by calling each of them on standbys of 15 and 18. */
const REFUSED: Readonly<Record<string, boolean>> = {
  pg_current_xact_id: true,
  txid_current: true,
  pg_walfile_name: false,
  pg_walfile_name_offset: false,
  pg_replication_origin_oid: false,
};

/** Acts on, or shows, what each node has of its own. */
const NODE_STATE =
  /^(pg_stat_reset.*|pg_stat_force_next_flush|pg_log_backend_memory_contexts|pg_stat_get_.*|pg_stat_have_stats|pg_get_replication_slots|pg_lock_status|pg_prepared_xact|pg_blocking_pids|pg_safe_snapshot_blocking_pids|pg_ls_.*|pg_read_.*|pg_stat_file|pg_current_logfile|pg_show_replication_origin_status|pg_get_aios|pg_control_(checkpoint|recovery)|pg_notification_queue_usage|pg_last_committed_xact|pg_get_wal_summarizer_state|pg_available_wal_summaries|pg_wal_summary_contents|pg_current_wal_.*|pg_export_snapshot|pg_show_all_settings|pg_isolation_test_session_is_blocked|pg_get_wal_stats)$/;
const SESSION_STATE =
  /^(currval|lastval|set_config|pg_cursor|pg_prepared_statement|pg_listening_channels|pg_stat_clear_snapshot|cursor_to_xml|cursor_to_xmlschema|lo_open)$/;
const SEQUENCE = /^(nextval|setval|pg_sequence_last_value|pg_get_sequence_data)$/;
const LASTING_LOCK = /^pg_(try_)?advisory_(lock|unlock)(_shared|_all)?$/;

/** Functions that run a text, or read a table, given as an argument; the number is that argument's place. */
export const RUNS_TEXT: Readonly<Record<string, number>> = {
  query_to_xml: 0,
  query_to_xmlschema: 0,
  query_to_xml_and_xmlschema: 0,
  ts_stat: 0,
  ts_rewrite: 1,
  // Of tablefunc and xml2, where they are declared as stable.
  crosstab: 0,
  crosstab2: 0,
  crosstab3: 0,
  crosstab4: 0,
};
export const READS_TABLE: readonly string[] = ['table_to_xml', 'table_to_xml_and_xmlschema', 'currtid2'];
/** Reads every table of the schema that it is given. */
export const READS_SCHEMA: readonly string[] = ['schema_to_xml', 'schema_to_xml_and_xmlschema'];
/** These read what their arguments say, in ways that nothing here follows. */
export const READS_ANYTHING =
  /^((schema|database)_to_xml(_and_xmlschema)?|xpath_table|connectby|crosstab_hash|dblink.*)$/;
export const TAKES_TYPE_NAME: readonly string[] = ['pg_input_is_valid', 'pg_input_error_info'];

/** Volatile functions of extensions that read nothing and write nothing. */
const HARMLESS_OF_EXTENSIONS: Readonly<Record<string, RegExp>> = {
  'uuid-ossp': /^uuid_/,
  pgcrypto: /^(gen_|pgp_|crypt)/,
};

/** Functions whose answers depend on the account that asks. */
export const ASKS_ACCOUNT =
  /^(has_[a-z_]+_privilege|pg_has_role|row_security_active|getpgusername|current_user|session_user)$/;

export interface BuiltinVerdict {
  readonly reason: PrimaryReason;
  readonly writes: boolean;
  /** It leaves something on the connection it runs on. */
  readonly isLastingLock: boolean;
}

/** What keeps a function of PostgreSQL itself from a replica; by its name, since overloads do alike. */
export function judgeBuiltin(name: string, volatility: string): BuiltinVerdict | undefined {
  const verdict = (reason: PrimaryReason, writes: boolean, isLastingLock = false) => ({
    reason,
    writes,
    isLastingLock,
  });
  const refused = REFUSED[name];
  if (refused !== undefined) return verdict('refused-on-standby', refused);
  if (NODE_STATE.test(name)) return verdict('node-state', false);
  if (SESSION_STATE.test(name)) return verdict('session-state', false);
  if (READS_ANYTHING.test(name)) return verdict('volatile-function', true);
  if (volatility !== 'v' || HARMLESS.has(name)) return undefined;
  if (SEQUENCE.test(name)) return verdict('sequence', name === 'nextval' || name === 'setval');
  if (LASTING_LOCK.test(name)) return verdict('advisory-lock', false, true);
  if (name.includes('advisory')) return verdict('advisory-lock', false);
  return verdict('volatile-function', true);
}

/** The modes of `lo_open` that only read: its descriptors last as long as the statement's transaction. */
export const OPENS_TO_READ = 0x40000;

/** Since PostgreSQL 15 these concern what the statement's own transaction has seen of statistics. */
export const OF_OWN_TRANSACTION: readonly string[] = [
  'pg_stat_get_snapshot_timestamp',
  'pg_stat_clear_snapshot',
];

/** Where temporary objects are looked for first, a schema for them is made for these to name. */
export const NAMES_SCHEMAS: readonly string[] = ['current_schema', 'current_schemas'];

export function isHarmlessOfExtension(extension: string | undefined, name: string): boolean {
  return extension !== undefined && HARMLESS_OF_EXTENSIONS[extension]?.test(name) === true;
}
