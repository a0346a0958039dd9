import { queryOnce } from './superuser.js';
import { until } from './until.js';

const DEADLINE_MS = 20_000;

/** The names of the standbys that have caught up and stream from that server. */
export async function streamingNames(primaryUrl: string): Promise<ReadonlySet<string>> {
  const { rows } = await queryOnce<{ name: string }>(
    primaryUrl,
    `SELECT application_name AS name FROM pg_stat_replication WHERE state = 'streaming'`,
  );
  return new Set(rows.map((row) => row.name));
}

/** Waits until all of them do. */
export async function untilStreaming(primaryUrl: string, names: readonly string[]): Promise<void> {
  const stream = async () => {
    const streaming = await streamingNames(primaryUrl);
    return names.every((name) => streaming.has(name));
  };
  await until(stream, { deadlineMs: DEADLINE_MS, what: `${names.join(', ')} to stream` });
}
