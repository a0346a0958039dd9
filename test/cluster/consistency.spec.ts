import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/until.js';

const DELAY_MS = 200;
const PAIRS = 500;
const AT_A_TIME = 16;

let embedded: EmbeddedCluster;
let cluster: PgCluster;

beforeAll(async () => {
  embedded = await EmbeddedCluster.start({ replicas: 2 });
  cluster = PgCluster.fromConfig(embedded.config, { healthCheck: { interval: '250ms' } });
  await cluster.connect();
  await cluster.query('CREATE TABLE written (id int PRIMARY KEY)');
  await everyReplicaHas('written');
});

afterAll(async () => {
  await cluster.close();
  await embedded.stop();
});

/** Has the replicas follow at their own pace, all up to date. */
async function everyReplicaHas(table: string) {
  await until(
    async () => {
      await cluster.healthCheck();
      const found = await Promise.all(
        embedded.replicas.map(async (replica) => {
          const { rows } = await replica.query<{ found: boolean }>(
            `SELECT to_regclass($1) IS NOT NULL AS found`,
            [table],
          );
          return rows[0]?.found;
        }),
      );
      return found.every(Boolean) && cluster.getStatus().nodes.every(({ health }) => health === 'up');
    },
    { deadlineMs: 20_000, what: 'the replicas to have everything' },
  );
}

let lastId = 0;

interface Read {
  readonly there: boolean;
  readonly standby: boolean;
}

async function readBack(id: number): Promise<Read> {
  const { rows } = await cluster.query<Read>(
    `SELECT EXISTS (SELECT FROM written WHERE id = $1) AS there, pg_is_in_recovery() AS standby`,
    [id],
  );
  const [read] = rows;
  if (!read) throw new Error('no row');
  return read;
}

/** Writes and reads, each time in a session of its own, so many at a time. */
async function pairs(readAfter: (id: number) => Promise<void>): Promise<void> {
  let left = PAIRS;
  const one = () =>
    cluster.session.resume(undefined, async () => {
      const id = ++lastId;
      await cluster.query('INSERT INTO written VALUES ($1)', [id]);
      await readAfter(id);
    });
  const worker = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

describe('a session reads what it has written', () => {
  it('while replay is delayed; and from a replica again as soon as that has it', async () => {
    for (const replica of embedded.replicas) {
      await replica.query(`ALTER SYSTEM SET recovery_min_apply_delay = '${DELAY_MS}ms'`);
      await replica.query('SELECT pg_reload_conf()');
    }
    const stale: number[] = [];
    const backAfterMs: number[] = [];
    await pairs(async (id) => {
      const began = performance.now();
      await until(
        async () => {
          const { there, standby } = await readBack(id);
          if (!there) stale.push(id);
          return standby;
        },
        { deadlineMs: 5_000, what: 'a read from a replica' },
      );
      backAfterMs.push(performance.now() - began);
    });
    const sorted = backAfterMs.toSorted((a, b) => a - b);
    console.log(
      `back on a replica ${DELAY_MS} ms behind: median ${sorted[PAIRS / 2]?.toFixed(0)} ms, last ${sorted.at(-1)?.toFixed(0)} ms`,
    );
    expect(stale).toEqual([]);
    expect(backAfterMs).toHaveLength(PAIRS);
    // Nobody was served before the delay was over: what the replicas have was not guessed.
    expect(sorted[0]).toBeGreaterThan(DELAY_MS * 0.9);
  }, 60_000);

  it('while replay is paused, on the primary; and from the replicas again afterwards', async () => {
    for (const replica of embedded.replicas) {
      await replica.query('ALTER SYSTEM RESET recovery_min_apply_delay');
      await replica.query('SELECT pg_reload_conf()');
      await replica.pauseReplay();
    }
    const reads: Read[] = [];
    await pairs(async (id) => {
      reads.push(await readBack(id), await readBack(id));
    });
    expect(reads.filter(({ there }) => !there)).toEqual([]);
    expect(reads.filter(({ standby }) => standby)).toEqual([]);
    for (const replica of embedded.replicas) await replica.resumeReplay();
    const id = lastId;
    await until(async () => (await readBack(id)).standby, {
      deadlineMs: 5_000,
      what: 'reads from a replica',
    });
    expect((await readBack(id)).there).toBe(true);
  }, 60_000);
});
