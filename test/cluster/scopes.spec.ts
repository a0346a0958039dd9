import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { seeded } from '../support/seeded.js';
import { sure } from '../support/sure.js';

let config: FreshDatabase['config'];
let primary: number;
let replicas: number[];

beforeAll(async () => {
  ({ config } = await freshDatabase());
  primary = sure(config.masters[0]).port;
  replicas = config.replicas.map((node) => node.port);
});

const portOf = async (cluster: PgCluster) =>
  (await cluster.query<{ port: number }>('SELECT inet_server_port() AS port')).rows[0]?.port;

describe('where statements arrive', () => {
  let cluster: PgCluster;

  beforeAll(async () => {
    cluster = PgCluster.fromConfig(config, {}, { random: seeded(1) });
    await cluster.connect();
  });

  afterAll(() => cluster.close());

  const port = () => portOf(cluster);

  /** How many reads came to each, of 200 one after the other. */
  async function arrivals(on: PgCluster) {
    const seen = new Map<number | undefined, number>();
    for (let i = 0; i < 200; i++) {
      const at = await on.useReplica(() => portOf(on));
      seen.set(at, (seen.get(at) ?? 0) + 1);
    }
    return seen;
  }

  it('is a replica for replica scopes, now this, now that, and never the primary', async () => {
    expect([...(await arrivals(cluster)).keys()].toSorted()).toEqual(replicas.toSorted());
  });

  it('is each replica as often as the other, where it does not count how soon they answer', async () => {
    const options: ClusterOptions = { routing: { balance: 'random' } };
    await using drawing = PgCluster.fromConfig(config, options, { random: seeded(1) });
    await drawing.connect();
    const seen = await arrivals(drawing);
    expect([...seen.keys()].toSorted()).toEqual(replicas.toSorted());
    for (const count of seen.values()) expect(count).toBeGreaterThan(60);
  });

  it('is the primary for master scopes; for calls that nothing decorates what their statement needs', async () => {
    expect(await cluster.useMaster(port)).toBe(primary);
    expect(replicas).toContain(await port());
    const writing = 'SELECT pg_current_xact_id() IS NOT NULL, inet_server_port() AS port';
    // In a session of its own: the others need not see what it has written.
    const { rows } = await cluster.session.resume(undefined, () => cluster.query(writing));
    expect(rows[0]?.port).toBe(primary);
    expect(await cluster.useReplica(() => cluster.useMaster(port))).toBe(primary);
  });

  it('is one replica for all reads of a scope, also for its first ones in parallel', async () => {
    for (let i = 0; i < 20; i++) {
      const ports = await cluster.useReplica(() => Promise.all(Array.from({ length: 5 }, port)));
      expect(new Set(ports).size).toBe(1);
    }
  });

  it('finishes 200 nested scopes at once', async () => {
    const nested = () =>
      cluster.useReplica(async () => [
        await port(),
        await cluster.useMaster(port),
        await cluster.useReplica(port),
      ]);
    const results = await Promise.all(Array.from({ length: 200 }, nested));
    for (const [outer, middle, inner] of results) {
      expect(replicas).toContain(outer);
      expect(middle).toBe(primary);
      expect(inner).toBe(outer);
    }
    expect(cluster.getStatus().activeConnections).toBe(0);
  });
});

describe('the balance', () => {
  const balances: [
    NonNullable<NonNullable<ClusterOptions['routing']>['balance']>,
    (share: number) => void,
  ][] = [
    ['round-robin', (share) => expect(share).toBe(0.5)],
    ['random', (share) => expect(Math.abs(share - 0.5)).toBeLessThan(0.2)],
    ['weighted', (share) => expect(Math.abs(share - 0.5)).toBeLessThan(0.2)],
    ['least-loaded', (share) => expect(Math.abs(share - 0.5)).toBeLessThan(0.2)],
  ];

  it.each(balances)('%s spreads reads, whatever else runs between them', async (balance, isFair) => {
    await using cluster = PgCluster.fromConfig(config, { routing: { balance } }, { random: seeded(2) });
    await cluster.connect();
    let first = 0;
    for (let i = 0; i < 100; i++) {
      await cluster.useMaster(() => portOf(cluster));
      if ((await cluster.useReplica(() => portOf(cluster))) === replicas[0]) first++;
    }
    isFair(first / 100);
  });

  it('weighted follows the weights', async () => {
    const weighted = config.replicas.map((node, i) => ({ ...node, weight: i === 0 ? 9 : 1 }));
    await using cluster = PgCluster.fromConfig(
      { ...config, replicas: weighted },
      { routing: { balance: 'weighted' } },
      { random: seeded(3) },
    );
    await cluster.connect();
    let first = 0;
    for (let i = 0; i < 100; i++)
      if ((await cluster.useReplica(() => portOf(cluster))) === replicas[0]) first++;
    expect(first).toBeGreaterThan(70);
  });
});
