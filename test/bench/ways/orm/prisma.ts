import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PrismaPg } from '@prisma/adapter-pg';
import { loadPeer, PEERS } from '../../harness/peers.js';
import type { Account, OpenWay } from '../way.js';
import { overCluster, overPool, poolTo, wayOf, type OpenOrm, type Read } from './backing.js';

interface Client {
  readonly account: { findUnique(query: { where: { id: number } }): Promise<Account | null> };
  $extends(extension: object): Client;
  $disconnect(): Promise<void>;
}

const readerOf =
  (client: Client): Read =>
  (id) =>
    client.account.findUnique({ where: { id } });

const open: OpenOrm = async ({ pool }) => {
  const clientOn = await generate();
  const client = clientOn(pool);
  return { read: readerOf(client), close: () => client.$disconnect() };
};

export const openOverPool = overPool(open);
export const openOverCluster = overCluster(open);

export const openReplicas: OpenWay = async (target) => {
  const clientOn = await generate();
  const { readReplicas } = loadPeer('@prisma/extension-read-replicas') as {
    readReplicas(options: { replicas: readonly Client[] }): object;
  };
  const pools = [target.primary, ...target.replicas].map((node) => poolTo(node, target));
  const [writes, ...reads] = pools.map(clientOn);
  if (!writes) throw new Error('this way needs a primary');
  const client = writes.$extends(readReplicas({ replicas: reads }));
  return wayOf({ read: readerOf(client) }, async () => {
    await Promise.all([writes, ...reads].map((each) => each.$disconnect()));
    await Promise.all(pools.map((pool) => pool.end()));
  });
};

/**
 * Writes the client into the peers' `node_modules`. Its compiler is WebAssembly and part of the package; the engine
 * for migrations is not, and would be fetched unless one is named.
 */
async function generate(): Promise<(pool: ConstructorParameters<typeof PrismaPg>[0]) => Client> {
  await promisify(execFile)(
    process.execPath,
    ['node_modules/prisma/build/index.js', 'generate', '--schema', 'schema.prisma'],
    { cwd: PEERS, env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath } },
  );
  const { PrismaClient } = loadPeer('@prisma/client') as { PrismaClient: new (options: object) => Client };
  return (pool) => new PrismaClient({ adapter: new PrismaPg(pool) });
}
