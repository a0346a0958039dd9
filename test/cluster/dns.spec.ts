import dns from 'node:dns';
import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sure } from '../support/sure.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const NAME = 'writer.db.test';
const [HERE, THERE] = ['127.0.0.2', '127.0.0.3'];

/** The resolver of this process, for one name. */
let address = HERE;
const { lookup } = dns;
const resolver = (name: string, options: dns.LookupOptions, told: (...args: unknown[]) => void) => {
  if (name !== NAME) {
    lookup(name, options, told);
    return;
  }
  const found = { address, family: 4 };
  setImmediate(() => (options.all === true ? told(null, [found]) : told(null, found.address, 4)));
};

let servers: EmbeddedCluster;
let proxies: TcpProxy[];
let port: number;

beforeEach(async () => {
  address = HERE;
  Object.assign(dns, { lookup: resolver });
  servers = await EmbeddedCluster.start({ replicas: 1 });
  const here = await TcpProxy.start(servers.primary, { host: HERE });
  ({ port } = here);
  const there = await TcpProxy.start(sure(servers.replicas[0]), { host: THERE, port });
  proxies = [here, there];
});

afterEach(async () => {
  Object.assign(dns, { lookup });
  for (const proxy of proxies) await proxy.stop();
  await servers.stop();
});

async function connected(withReplica: boolean): Promise<PgCluster> {
  const { config } = servers;
  const masters = config.masters.map((master) => ({ ...master, name: 'writer', host: NAME, port }));
  const cluster = PgCluster.fromConfig(
    { ...config, masters, replicas: withReplica ? config.replicas : [] },
    { healthCheck: { interval: '200ms', timeout: '500ms' }, connectionPool: { acquireTimeout: '8s' } },
  );
  await cluster.connect();
  return cluster;
}

const portOfWrites = (cluster: PgCluster) =>
  cluster.useMaster(
    async () => (await cluster.query<{ port: number }>('SELECT inet_server_port() AS port')).rows[0]?.port,
  );

// Other systems have no more than one address of their own without being told.
describe.runIf(process.platform === 'linux')('a name that moves to another address', () => {
  it('is followed when the old one is gone', async () => {
    const [former, heir] = [servers.primary, sure(servers.replicas[0])];
    await using cluster = await connected(false);
    expect(await portOfWrites(cluster)).toBe(former.port);
    await former.kill();
    await heir.promote();
    address = THERE;
    expect(await portOfWrites(cluster)).toBe(heir.port);
  });

  it('is followed when the old one lives on, by the pools too', async () => {
    const [former, heir] = [servers.primary, sure(servers.replicas[0])];
    await using cluster = await connected(true);
    await Promise.all(Array.from({ length: 5 }, () => portOfWrites(cluster)));
    await heir.promote();
    address = THERE;
    await until(() => cluster.getStatus().nodes.every(({ timeline }) => timeline === 2), {
      deadlineMs: 8_000,
      what: 'the writer to be the new primary',
    });
    expect(cluster.getStatus().primary).toBe('writer');
    const ports = await Promise.all(Array.from({ length: 10 }, () => portOfWrites(cluster)));
    expect(new Set(ports)).toEqual(new Set([heir.port]));
    expect(former.isRunning).toBe(true);
  });
});
