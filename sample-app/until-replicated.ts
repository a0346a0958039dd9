import { setTimeout } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { PgCluster } from 'nestjs-pg-mcp';

const INTERVAL_MS = 20;

/**
 * Waits until every replica that takes reads has what the primary has now. Replicas follow a few
 * milliseconds behind, and the first request may read from any of them.
 */
export async function untilReplicated(cluster: PgCluster, patienceMs = 5_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  const target = await currentPosition(cluster);
  while (!(await haveReplayed(cluster, target))) {
    if (performance.now() > deadline) {
      new Logger(untilReplicated.name).warn('not every replica has all of the data yet');
      return;
    }
    await setTimeout(INTERVAL_MS);
  }
}

async function currentPosition(cluster: PgCluster): Promise<string | undefined> {
  const { rows } = await cluster.useMaster(() =>
    cluster.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn() AS lsn'),
  );
  return rows[0]?.lsn;
}

async function haveReplayed(cluster: PgCluster, target: string | undefined): Promise<boolean> {
  const { nodes } = (await cluster.healthCheck()).cluster;
  const replayed = nodes.filter(({ takesReads }) => takesReads).map(({ lsn }) => lsn);
  const { rows } = await cluster.useMaster(() =>
    cluster.query<{ behind: number }>(
      'SELECT count(*)::int AS behind FROM unnest($1::pg_lsn[]) AS lsn WHERE lsn < $2',
      [replayed, target],
    ),
  );
  return rows[0]?.behind === 0;
}
