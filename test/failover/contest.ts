import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { until } from '../support/until.js';
import { ContenderProcess } from './contender-process.js';
import { untilFollowing, writable } from './promoting.js';

export interface ContestResult {
  readonly contenders: number;
  /** Of the contenders that say they have promoted. */
  readonly promoters: number;
  /** The writable nodes. */
  readonly timelines: readonly number[];
  /** Until a node was writable. */
  readonly promotedMs: number;
  /** Until every contender had found it. */
  readonly foundMs: number;
}

/** One primary is killed under so many processes that contend for the promotion. */
export async function contest(contenders: number, how: 'kill' | 'freeze' = 'kill'): Promise<ContestResult> {
  // Not `await using`: this file is also run as it is, by Node 20.
  const servers = await EmbeddedCluster.start({ replicas: 2 });
  const options = {
    failover: { mode: 'promote' },
    healthCheck: { interval: '250ms', timeout: '1s' },
    connectionPool: { maxConnections: 4 },
  } as const;
  const { config } = servers;
  const processes = Array.from({ length: contenders }, () => new ContenderProcess({ config, options }));
  try {
    return { contenders, ...(await race(servers, processes, how)) };
  } finally {
    await Promise.all(processes.map((process) => process[Symbol.asyncDispose]()));
    await servers.stop();
  }
}

async function race(
  servers: EmbeddedCluster,
  processes: readonly ContenderProcess[],
  how: 'kill' | 'freeze',
): Promise<Omit<ContestResult, 'contenders'>> {
  const { primary: former, replicas } = servers;
  await Promise.all(processes.map((process) => process.connected()));
  const began = performance.now();
  await former[how]();
  const heir = await until(
    async () => {
      for (const node of replicas) {
        const { rows } = await node.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
        if (rows[0]?.standby === false) return node;
      }
      return undefined;
    },
    { deadlineMs: 20_000, what: 'a node to be writable' },
  );
  const promotedMs = performance.now() - began;
  await until(() => processes.every((process) => process.has('primary-found')), {
    deadlineMs: 20_000,
    what: 'all to find it',
  });
  const foundMs = performance.now() - began;
  for (const node of replicas) if (node !== heir) await untilFollowing(node, 2);
  const promoters = processes.filter((process) => process.has('promoted')).length;
  const timelines = [...(await writable(servers)).values()];
  return { promoters, timelines, promotedMs, foundMs };
}
