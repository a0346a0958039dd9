import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { loadPeer, PEERS } from '../../harness/peers.js';
import type { Account, NodeAddress, OpenWay } from '../way.js';

interface Client {
  readonly account: { findUnique(query: { where: { id: number } }): Promise<Account | null> };
  $extends(extension: object): Client;
  $disconnect(): Promise<void>;
}

export const openPrisma: OpenWay = async ({ primary, replicas, connections }) => {
  await generate();
  const { PrismaClient } = loadPeer('@prisma/client') as { PrismaClient: new (options: object) => Client };
  const { PrismaPg } = loadPeer('@prisma/adapter-pg') as { PrismaPg: new (options: object) => object };
  const { readReplicas } = loadPeer('@prisma/extension-read-replicas') as {
    readReplicas(options: { replicas: readonly Client[] }): object;
  };
  const clientOf = ({ host, port, user, password, database }: NodeAddress) => {
    const pool = { host, port, user, password, database, max: connections, idleTimeoutMillis: 0 };
    return new PrismaClient({ adapter: new PrismaPg(pool) });
  };
  const [writes, reads] = [clientOf(primary), replicas.map(clientOf)];
  const client = writes.$extends(readReplicas({ replicas: reads }));
  return {
    read: async (id) => (await client.account.findUnique({ where: { id } })) ?? undefined,
    close: async () => void (await Promise.all([writes, ...reads].map((each) => each.$disconnect()))),
  };
};

/**
 * Writes the client into the peers' `node_modules`. Its compiler is WebAssembly and part of the package; the engine
 * for migrations is not, and would be fetched unless one is named.
 */
async function generate(): Promise<void> {
  await promisify(execFile)(
    process.execPath,
    ['node_modules/prisma/build/index.js', 'generate', '--schema', 'schema.prisma'],
    { cwd: PEERS, env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath } },
  );
}
