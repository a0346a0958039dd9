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

interface Pair {
  stale: number;
  /** Reads later than the delay, and those of them that a replica served. */
  late: number;
  lateOnReplica: number;
}

/** Writes a row and reads it until `forMs` after the write, counting who answered and what was missing. */
function pair(forMs: number): Promise<Pair> {
  return cluster.session.resume(undefined, async () => {
    const id = ++lastId;
    const counts: Pair = { stale: 0, late: 0, lateOnReplica: 0 };
    await cluster.query('INSERT INTO written VALUES ($1)', [id]);
    const wroteAt = performance.now();
    for (;;) {
      const began = performance.now();
      const { rows } = await cluster.query<{ there: boolean; standby: boolean }>(
        `SELECT EXISTS (SELECT FROM written WHERE id = $1) AS there, pg_is_in_recovery() AS standby`,
        [id],
      );
      if (!rows[0]?.there) counts.stale++;
      // A sample a little later than the write, and replay at its own pace, take their time too.
      const isLate = began - wroteAt > forMs * 0.8;
      if (isLate) counts.late++;
      if (isLate && rows[0]?.standby === true) counts.lateOnReplica++;
      if (began - wroteAt > forMs) return counts;
      await new Promise((resolve) => setTimeout(resolve, forMs / 10));
    }
  });
}

async function pairs(forMs: number): Promise<Pair> {
  const total: Pair = { stale: 0, late: 0, lateOnReplica: 0 };
  let left = PAIRS;
  const worker = async () => {
    while (left-- > 0) {
      const one = await pair(forMs);
      for (const key of ['stale', 'late', 'lateOnReplica'] as const) total[key] += one[key];
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return total;
}

describe('a session reads what it has written', () => {
  it('with replay delayed; and from the replicas again once they have it', async () => {
    for (const replica of embedded.replicas) {
      await replica.query(`ALTER SYSTEM SET recovery_min_apply_delay = '${DELAY_MS}ms'`);
      await replica.query('SELECT pg_reload_conf()');
    }
    const total = await pairs(DELAY_MS * 2);
    console.log(total);
    expect(total.stale).toBe(0);
    expect(total.lateOnReplica).toBe(total.late);
  }, 60_000);
});
