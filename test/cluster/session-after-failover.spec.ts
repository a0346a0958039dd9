import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TokenSigner } from '../../lib/session/token.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';

const SECRET = 'known to all processes';

let servers: EmbeddedCluster;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 2 });
});

afterAll(() => servers.stop());

async function process(): Promise<PgCluster> {
  const cluster = PgCluster.fromConfig(servers.config, {
    session: { secret: SECRET },
    healthCheck: { interval: '200ms', timeout: '500ms' },
    connectionPool: { acquireTimeout: '2s' },
  });
  await cluster.connect();
  return cluster;
}

const read = async (cluster: PgCluster) =>
  (
    await cluster.query<{ ids: number[]; standby: boolean }>(
      'SELECT array_agg(id ORDER BY id) AS ids, pg_is_in_recovery() AS standby FROM written',
    )
  ).rows[0];

const ignored = (cluster: PgCluster) => Object.fromEntries(cluster.getCounters().ignoredTokens);

it('what survived a failover is seen, what it has lost is not waited for', async () => {
  await using here = await process();
  await using there = await process();
  const [former, heir, other] = [servers.primary, ...servers.replicas].map((node) => sure(node));
  if (!former || !heir || !other) throw new Error('three nodes');
  await here.query('CREATE TABLE written (id int)');

  const [kept, foreign, ahead] = await here.session.resume(undefined, async () => {
    await here.query('INSERT INTO written VALUES (1)');
    const token = sure(await here.session.token());
    const signer = new TokenSigner(SECRET);
    const content = sure(signer.read(token));
    return [
      token,
      signer.sign({ ...content, systemId: '1' }),
      signer.sign({ ...content, timeline: content.timeline + 5 }),
    ];
  });
  expect(await there.session.resume(kept, () => read(there))).toMatchObject({ ids: [1] });
  await until(async () => (await there.session.resume(kept, () => read(there)))?.standby, {
    deadlineMs: 5_000,
    what: 'a replica to serve the token',
  });

  // Of another cluster, made up, or of a timeline that nobody has: none keeps anybody from reading.
  expect(await there.session.resume(foreign, () => read(there))).toMatchObject({ ids: [1] });
  expect(await there.session.resume(`${kept}x`, () => read(there))).toMatchObject({ ids: [1] });
  expect(await there.session.resume(ahead, () => read(there))).toMatchObject({ ids: [1] });
  expect(ignored(there)).toEqual({ 'other-system': 1, invalid: 1, forked: 1 });

  // No replica hears of the next write, and the primary dies with it.
  await Promise.all([heir.kill(), other.kill()]);
  const lost = await here.session.resume(undefined, async () => {
    await here.query(`INSERT INTO written SELECT i FROM generate_series(100, 10000) AS i`);
    return sure(await here.session.token());
  });
  await former.kill();
  await Promise.all([heir.start(), other.start()]);
  await heir.promote();
  await until(() => there.getStatus().primary === heir.name, { deadlineMs: 10_000, what: 'the heir' });

  expect(await there.session.resume(kept, () => read(there))).toMatchObject({ ids: [1] });
  expect(ignored(there)).toEqual({ 'other-system': 1, invalid: 1, forked: 1 });
  expect(await there.session.resume(lost, () => read(there))).toMatchObject({ ids: [1] });
  expect(ignored(there)).toEqual({ 'other-system': 1, invalid: 1, forked: 2 });

  // A session that lives on writes on the new timeline and sees that.
  await there.session.resume(kept, async () => {
    await there.query('INSERT INTO written VALUES (2)');
    expect(await read(there)).toMatchObject({ ids: [1, 2] });
  });
}, 60_000);

it('without a primary, a read waits for a replica that has what its session has written, and then says so', async () => {
  const former = servers.nodes.find((node) => !node.isRunning);
  await servers.rejoin(sure(former));
  for (const replica of servers.replicas) await servers.rejoin(replica);
  await using cluster = await process();
  await until(
    () =>
      cluster.getStatus().nodes.filter(({ role, takesReads }) => role === 'replica' && takesReads).length ===
      2,
    { deadlineMs: 10_000, what: 'both replicas' },
  );
  for (const replica of servers.replicas) await replica.pauseReplay();
  await cluster.session.resume(undefined, async () => {
    await cluster.query('INSERT INTO written VALUES (3)');
    expect(await cluster.session.token()).toBeDefined();
    await servers.primary.kill();
    await expect(read(cluster)).rejects.toMatchObject({ code: 'CONSISTENCY_UNAVAILABLE', safeToRetry: true });
    await expect(cluster.useReplica({ onUnavailable: 'fail' }, () => read(cluster))).rejects.toMatchObject({
      code: 'NO_REPLICA',
    });
    expect(await cluster.useReplica({ consistency: 'eventual' }, () => read(cluster))).toMatchObject({
      ids: [1, 2],
    });
    const waiting = read(cluster);
    await sure(servers.replicas[0]).resumeReplay();
    expect(await waiting).toMatchObject({ ids: [1, 2, 3], standby: true });
  });
}, 60_000);
