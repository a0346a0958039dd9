import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../support/until.js';

let servers: EmbeddedCluster;
let cluster: PgCluster;
let replicas: readonly EmbeddedNode[];

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 2 });
  ({ replicas } = servers);
  cluster = PgCluster.fromConfig(servers.config, {
    healthCheck: { interval: '200ms', timeout: '400ms' },
    routing: { maxLagBytes: '1MiB', slowStart: '0s' },
  });
  await cluster.connect();
  await cluster.query('CREATE TABLE filler (text text)');
  await until(async () => (await Promise.all(replicas.map(hasFiller))).every(Boolean), {
    deadlineMs: 10_000,
    what: 'the table everywhere',
  });
});

afterAll(async () => {
  await cluster.close();
  for (const node of servers.nodes) await node.thaw();
  await servers.stop();
});

const hasFiller = async (replica: EmbeddedNode) =>
  (await replica.query<{ it: boolean }>(`SELECT to_regclass('filler') IS NOT NULL AS it`)).rows[0]?.it;

interface Reads {
  onReplica: number;
  onPrimary: number;
  readonly failures: unknown[];
}

/** Sixteen callers read, undecorated and in replica scopes, until the work is done. */
async function readingThroughout(work: (reads: Reads) => Promise<unknown>): Promise<Reads> {
  let isOver = false;
  const reads: Reads = { onReplica: 0, onPrimary: 0, failures: [] };
  const caller = async (_: unknown, index: number) => {
    while (!isOver) {
      try {
        const read = () =>
          cluster.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby, count(*) FROM filler');
        const { rows } = await cluster.session.resume(undefined, () =>
          index % 2 === 0 ? read() : cluster.useReplica(read),
        );
        if (rows[0]?.standby === true) reads.onReplica++;
        else reads.onPrimary++;
      } catch (error) {
        reads.failures.push(error);
        return;
      }
    }
  };
  const callers = Array.from({ length: 16 }, caller);
  await work(reads).finally(() => (isOver = true));
  await Promise.all(callers);
  return reads;
}

const everyReplica = (suits: (node: ReturnType<PgCluster['getStatus']>['nodes'][number]) => boolean) =>
  until(() => cluster.getStatus().nodes.every((node) => node.role === 'primary' || suits(node)), {
    deadlineMs: 15_000,
    what: 'every replica to be so',
  });
const onAll = (work: (replica: EmbeddedNode) => Promise<unknown>) => Promise.all(replicas.map(work));
const oneTakesReads = () =>
  until(() => cluster.getStatus().nodes.some(({ role, takesReads }) => role === 'replica' && takesReads), {
    deadlineMs: 15_000,
    what: 'a replica that takes reads',
  });
const allTakeReads = () => everyReplica(({ takesReads }) => takesReads);

it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
  [
    'are down',
    async () => {
      await onAll((replica) => replica.kill());
      await everyReplica(({ health }) => health === 'down');
    },
    () => onAll((replica) => replica.start()),
  ],
  [
    'are frozen',
    async () => {
      await onAll((replica) => replica.freeze());
      await everyReplica(({ health }) => health === 'down');
    },
    () => onAll((replica) => replica.thaw()),
  ],
  [
    'lag, since their replay is paused',
    async () => {
      await onAll((replica) => replica.pauseReplay());
      await cluster.query(
        `INSERT INTO filler SELECT repeat(md5(i::text), 32) FROM generate_series(1, 3000) AS i`,
      );
      await everyReplica(({ takesReads }) => !takesReads);
    },
    () => onAll((replica) => replica.resumeReplay()),
  ],
])(
  'no read fails while all replicas %s, nor when they are back',
  async (_, trouble, mend) => {
    await allTakeReads();
    const during = await readingThroughout(async (reads) => {
      await trouble();
      await until(() => reads.onPrimary > 0, { deadlineMs: 10_000, what: 'reads on the primary' });
    });
    expect(during.failures).toEqual([]);
    const after = await readingThroughout(async () => {
      await mend();
      await oneTakesReads();
      await allTakeReads();
    });
    expect(after.failures).toEqual([]);
    const well = await readingThroughout((reads) =>
      until(() => reads.onReplica > 0, { deadlineMs: 10_000, what: 'reads on a replica' }),
    );
    expect(well.failures).toEqual([]);
  },
  60_000,
);
