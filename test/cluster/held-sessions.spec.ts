import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import { EmbeddedCluster, type EmbeddedNode } from 'nestjs-pg-mcp/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';

let servers: EmbeddedCluster;
let replica: EmbeddedNode;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 1 });
  replica = sure(servers.replicas[0]);
  await servers.primary.query(`CREATE TABLE notes (text text)`);
  await servers.primary.query(`GRANT ALL ON notes TO PUBLIC`);
  await servers.primary.query(`
    CREATE FUNCTION opaque(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$`);
});

afterEach(async () => {
  if (!replica.isRunning) await replica.start();
  await replica.resumeReplay();
  await servers.primary.query('TRUNCATE notes');
});

afterAll(() => servers.stop());

async function connected(options: ClusterOptions = {}): Promise<PgCluster> {
  const cluster = PgCluster.fromConfig(servers.config, {
    healthCheck: { interval: '200ms', timeout: '400ms' },
    connectionPool: { acquireTimeout: '1s' },
    ...options,
  });
  await cluster.connect();
  await until(
    () => cluster.getStatus().nodes.some(({ role, takesReads }) => role === 'replica' && takesReads),
    {
      deadlineMs: 10_000,
      what: 'the replica',
    },
  );
  return cluster;
}

const notes = 'SELECT count(*)::int AS count, pg_is_in_recovery() AS standby FROM notes';
const note = `INSERT INTO notes VALUES ('x')`;
const written = async () =>
  (await servers.primary.query<{ count: number }>('SELECT count(*)::int AS count FROM notes')).rows[0]?.count;

describe('a connection that is held to a replica', () => {
  it.each<[string, (cluster: PgCluster) => Promise<void>]>([
    [
      'by a scope',
      (cluster) =>
        cluster.useReplica({ session: true }, async () => {
          expect((await cluster.query(notes)).rows).toMatchObject([{ standby: true }]);
          await replica.pauseReplay();
          await cluster.useMaster(() => cluster.query(note));
          await expect(cluster.query(notes)).rejects.toMatchObject({ code: 'CONSISTENCY_UNAVAILABLE' });
          const waiting = cluster.query(notes);
          await replica.resumeReplay();
          expect((await waiting).rows).toEqual([{ count: 1, standby: true }]);
        }),
    ],
    [
      'by a lease',
      async (cluster) => {
        const lease = await cluster.getReplicaConnection();
        expect(lease.role).toBe('replica');
        await replica.pauseReplay();
        await cluster.query(note);
        const waiting = lease.query(notes);
        await replica.resumeReplay();
        expect((await waiting).rows).toEqual([{ count: 1, standby: true }]);
        await lease.release();
      },
    ],
  ])('%s reads what its session has written elsewhere', async (_, work) => {
    await using cluster = await connected();
    await cluster.session.resume(undefined, () => work(cluster));
  });
});

describe('a lease that was taken long before', () => {
  it('marks the session of who writes through it', async () => {
    await using cluster = await connected();
    const lease = await cluster.getMasterConnection();
    await replica.pauseReplay();
    await cluster.session.resume(undefined, async () => {
      await lease.query(note);
      expect((await cluster.query(notes)).rows).toEqual([{ count: 1, standby: false }]);
      expect(await cluster.session.token()).toBeDefined();
    });
    await lease.release();
  });
});

describe('a transaction', () => {
  it('marks each session that has written in it', async () => {
    await using cluster = await connected();
    await replica.pauseReplay();
    await cluster.session.resume(undefined, async () => {
      const { current } = cluster.session;
      await cluster.transaction(() => cluster.session.resume(undefined, () => cluster.query(note)));
      expect(current.isMarked).toBe(false);
      await cluster.transaction(() => cluster.query(note));
      expect((await cluster.query(notes)).rows).toEqual([{ count: 2, standby: false }]);
    });
  });

  it('has a token before it ends, for who can read only what it has committed', async () => {
    await using cluster = await connected();
    await using other = await connected();
    await replica.pauseReplay();
    const token = await cluster.transaction(async () => {
      await cluster.query(note);
      return cluster.session.token();
    });
    expect(token).toBeDefined();
    await using same = await connected({ session: { secret: 'a secret of both of them' } });
    await using its = await connected({ session: { secret: 'a secret of both of them' } });
    const shared = await same.transaction(async () => {
      await same.query(note);
      return same.session.token();
    });
    expect((await its.session.resume(shared, () => its.query(notes))).rows).toMatchObject([{ count: 2 }]);
    expect((await other.session.resume(token, () => other.query(notes))).rows).toMatchObject([{ count: 0 }]);
  });

  it('that only reads and that nothing decorates begins on the primary where its first statement must', async () => {
    await using cluster = await connected();
    const inTransaction = (text: string) =>
      cluster.transaction({ readOnly: true }, async () => {
        await cluster.query(text);
        return (await cluster.query('SELECT pg_is_in_recovery() AS standby')).rows[0].standby;
      });
    expect(await inTransaction('SELECT 1')).toBe(true);
    expect(await inTransaction('SELECT count(*) FROM pg_stat_activity')).toBe(false);
  });
});

describe('what is held to reading on the primary stays so', () => {
  const write = `SELECT opaque('INSERT INTO notes VALUES (1)')`;

  it.each<[string, (cluster: PgCluster) => Promise<unknown>]>([
    [
      'in a read-only transaction',
      (cluster) =>
        cluster.useReplica(() =>
          cluster.transaction({ readOnly: true }, async () => {
            await cluster.query('SET TRANSACTION READ WRITE');
            await cluster.query(note);
          }),
        ),
    ],
    [
      'in a session of its own',
      (cluster) =>
        cluster.useReplica({ session: true }, async () => {
          await cluster.query('BEGIN READ WRITE').catch(() => {});
          await cluster.query(write);
        }),
    ],
    [
      'on a lease',
      async (cluster) => {
        await using lease = await cluster.getReplicaConnection();
        for (const escape of [
          'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE',
          'SET default_transaction_read_only = off',
          'RESET ALL',
        ]) {
          await expect(lease.query(escape)).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA' });
        }
        await lease.query(write);
      },
    ],
  ])('%s', async (_, work) => {
    await using cluster = await connected();
    await replica.kill();
    await until(() => cluster.getStatus().nodes.some(({ health }) => health === 'down'), {
      deadlineMs: 5_000,
      what: 'the replica down',
    });
    await expect(work(cluster)).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA' });
    expect(await written()).toBe(0);
  });
});
