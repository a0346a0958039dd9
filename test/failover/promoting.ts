import { PgCluster, type ClusterOptions, type FailoverEvent } from 'nestjs-pg-mcp';
import type { EmbeddedCluster, EmbeddedNode } from 'nestjs-pg-mcp/testing';
import type { FailoverStep } from '../../lib/failover-event.js';
import { until } from '../support/until.js';

const DEADLINE_MS = 20_000;

/** A cluster in mode `promote`, and what it told. */
export class Promoting implements AsyncDisposable {
  readonly events: FailoverEvent[] = [];

  private constructor(readonly cluster: PgCluster) {
    cluster.on('failover', (event) => this.events.push(event));
  }

  static async connect(
    config: EmbeddedCluster['config'],
    options: ClusterOptions = {},
    name = 'default',
  ): Promise<Promoting> {
    const { failover, ...rest } = options;
    const cluster = PgCluster.fromConfig(
      config,
      {
        healthCheck: { interval: '250ms', timeout: '1s' },
        connectionPool: { acquireTimeout: '20s' },
        ...rest,
        failover: { mode: 'promote', ...failover },
      },
      { name },
    );
    const promoting = new Promoting(cluster);
    await cluster.connect();
    return promoting;
  }

  get steps(): readonly FailoverStep[] {
    return this.events.map(({ step }) => step);
  }

  /** Resolves with the first event of that step. */
  told(step: FailoverStep, detail = ''): Promise<FailoverEvent> {
    const find = () => this.events.find((event) => event.step === step && event.detail?.includes(detail));
    return until(find, {
      deadlineMs: DEADLINE_MS,
      what: `${step} ${detail}, after ${this.steps.join(', ')}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.close();
  }
}

/** Waits until it streams on that timeline. */
export async function untilFollowing(node: EmbeddedNode, timeline: number): Promise<void> {
  const text = `SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND received_tli = $1`;
  await until(async () => (await node.query(text, [timeline]).catch(() => undefined))?.rowCount, {
    deadlineMs: DEADLINE_MS,
    what: `${node.name} to stream on timeline ${timeline}`,
  });
}

/** The nodes that are writable, with their timelines. */
export async function writable(servers: EmbeddedCluster): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const node of servers.nodes) {
    if (!node.isRunning || node.isFrozen) continue;
    const { rows } = await node.query<{ timeline: number | null }>(`
      SELECT CASE WHEN NOT standby
                  THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS timeline
        FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS node`);
    if (rows[0]?.timeline != null) found.set(node.name, rows[0].timeline);
  }
  return found;
}

export async function settingOf(node: EmbeddedNode, setting: string): Promise<string | undefined> {
  const { rows } = await node.query<{ value: string }>('SELECT current_setting($1) AS value', [setting]);
  return rows[0]?.value;
}
