import { PgCluster } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';

const PORT = 'SELECT inet_server_port() AS port';

describe('where statements arrive', () => {
  let cluster: PgCluster;
  let ports: { primary: number; replicas: number[] };

  beforeAll(async () => {
    const { config } = await freshDatabase();
    cluster = PgCluster.fromConfig(config);
    await cluster.connect();
    ports = { primary: config.masters[0]?.port ?? 0, replicas: config.replicas.map((node) => node.port) };
  });

  afterAll(() => cluster.close());

  const port = async () => (await cluster.query<{ port: number }>(PORT)).rows[0]?.port;

  it('spreads replica scopes over both replicas and none over the primary', async () => {
    const seen = new Map<number | undefined, number>();
    for (let i = 0; i < 200; i++) {
      const at = await cluster.useReplica(port);
      seen.set(at, (seen.get(at) ?? 0) + 1);
    }
    expect([...seen.keys()].toSorted()).toEqual(ports.replicas.toSorted());
    for (const count of seen.values()) expect(count).toBeGreaterThan(50);
  });

  it('sends master scopes and undecorated calls to the primary', async () => {
    expect(await cluster.useMaster(port)).toBe(ports.primary);
    expect(await port()).toBe(ports.primary);
    expect(await cluster.useReplica(() => cluster.useMaster(port))).toBe(ports.primary);
  });

  it('finishes 200 nested scopes on a pool of 5', async () => {
    const results = await Promise.all(
      Array.from({ length: 200 }, () =>
        cluster.useReplica(async () => [
          await port(),
          await cluster.transaction(async () => [await port(), await cluster.useReplica(port)]),
        ]),
      ),
    );
    expect(results).toHaveLength(200);
  });
  it('refuses a write', async () => {
    await expect(cluster.useReplica(() => cluster.query('create table t (i int)'))).rejects.toMatchObject({
      code: 'WRITE_ON_REPLICA',
    });
  });
});
