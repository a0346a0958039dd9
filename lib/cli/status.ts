import { clearScreenDown, cursorTo } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import Table from 'cli-table3';
import type { PgCluster } from '../cluster.js';
import { formatDuration, parseDuration } from '../duration.js';
import type { ClusterStatus, NodeStatus } from '../execution/status.js';
import { observing } from './observing.js';
import { asJson, EXIT, type Outcome } from './outcome.js';
import { paint } from './paint.js';

export interface StatusFlags {
  readonly json: boolean;
  readonly watch: boolean;
  /** Between two looks. */
  readonly interval: string;
}

export async function status(config: string, { json, watch, interval }: StatusFlags): Promise<Outcome> {
  await using cluster = observing(config);
  await cluster.connect();
  if (watch) {
    await follow(cluster, json, parseDuration(interval) ?? 0);
    return { code: EXIT.ok, text: '' };
  }
  const { status: health } = await cluster.healthCheck();
  const seen = cluster.getStatus();
  return { code: health === 'down' ? EXIT.bad : EXIT.ok, text: json ? asJson(seen) : asText(seen) };
}

/** Shows it anew each time, until Ctrl-C or until nobody reads any more. */
async function follow(cluster: PgCluster, json: boolean, intervalMs: number): Promise<void> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  process.stdout.once('error', stop);
  while (!stopping.signal.aborted) {
    await cluster.healthCheck();
    show(cluster.getStatus(), json);
    await setTimeout(intervalMs, undefined, { signal: stopping.signal }).catch(() => {});
  }
}

function show(seen: ClusterStatus, json: boolean): void {
  const { stdout } = process;
  if (json) {
    stdout.write(`${JSON.stringify(seen)}\n`);
    return;
  }
  if (stdout.isTTY) {
    cursorTo(stdout, 0, 0);
    clearScreenDown(stdout);
  }
  stdout.write(asText(seen));
}

export function asText({ primary, timeline, failover, nodes }: ClusterStatus): string {
  const table = new Table({
    head: ['node', 'role', 'health', 'reads', 'lag', 'timeline', 'position', 'remark'],
    style: { head: [], border: [], compact: true },
  });
  table.push(...nodes.map(rowOf));
  const leader = primary === undefined ? paint('red', 'no primary') : `primary ${primary}`;
  const underWay = failover ? `, ${failover.step} for ${formatDuration(failover.elapsedMs)}` : '';
  return `${leader}, timeline ${timeline}${underWay}\n${table.toString()}\n`;
}

function rowOf(node: NodeStatus): string[] {
  const { name, role, health, takesReads, lagBytes, lagSeconds, timeline, lsn, reason } = node;
  const lag =
    lagBytes === undefined ? '' : `${formatBytes(lagBytes)}, ${formatDuration((lagSeconds ?? 0) * 1_000)}`;
  const colour = health === 'up' ? 'green' : health === 'suspect' ? 'yellow' : 'red';
  return [
    name,
    role,
    paint(colour, health),
    takesReads ? 'yes' : 'no',
    lag,
    `${timeline ?? ''}`,
    lsn ?? '',
    reason ?? '',
  ];
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function formatBytes(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(1, bytes)) / 10), UNITS.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${UNITS[power]}`;
}
