/**
 * The settings of every node: nothing outlives a test, so nothing is synced to disk; a lost peer is noticed
 * in seconds; and whatever replaces a primary can feed the others.
 */
export const SERVER_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '16MB',
  // In the data folder it is removed with it; the default would leave segments in /dev/shm after a SIGKILL.
  dynamic_shared_memory_type: 'mmap',
  fsync: 'off',
  wal_level: 'replica',
  max_wal_senders: '16',
  max_replication_slots: '16',
  // A replica that was stopped or cloned a while ago still finds the log it needs.
  wal_keep_size: '256MB',
  // Segments that are kept to be used again are space in memory, often (data-parent.ts).
  min_wal_size: '32MB',
  max_wal_size: '512MB',
  hot_standby: 'on',
  wal_sender_timeout: '5s',
  wal_receiver_status_interval: '1s',
  wal_receiver_timeout: '2s',
  wal_retrieve_retry_interval: '200ms',
  max_standby_streaming_delay: '5s',
  password_encryption: 'scram-sha-256',
  lc_messages: 'C',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %q%u@%d ',
};
