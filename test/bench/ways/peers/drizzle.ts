import { loadPeer } from '../../harness/peers.js';
import type { Account, NodeAddress, OpenWay } from '../way.js';

interface Pool {
  end(): Promise<void>;
}

interface Database {
  select(): { from(table: object): { where(condition: object): PromiseLike<Account[]> } };
}

interface Core {
  pgTable(name: string, columns: object): { readonly id: object };
  integer(): { primaryKey(): object };
  text(): object;
  withReplicas(primary: Database, replicas: readonly Database[]): Database;
}

export const openDrizzle: OpenWay = async ({ primary, replicas, connections }) => {
  const { drizzle } = loadPeer('drizzle-orm/node-postgres') as {
    drizzle(options: { client: Pool }): Database;
  };
  const { pgTable, integer, text, withReplicas } = loadPeer('drizzle-orm/pg-core') as Core;
  const { eq } = loadPeer('drizzle-orm') as { eq(column: object, value: number): object };
  const { Pool } = loadPeer('pg') as { Pool: new (options: object) => Pool };
  const account = pgTable('account', { id: integer().primaryKey(), owner: text(), balance: integer() });
  const poolTo = (node: NodeAddress) => new Pool({ ...node, max: connections, idleTimeoutMillis: 0 });
  const [writes, reads] = [poolTo(primary), replicas.map(poolTo)];
  const database = withReplicas(
    drizzle({ client: writes }),
    reads.map((client) => drizzle({ client })),
  );
  return {
    read: async (id) => (await database.select().from(account).where(eq(account.id, id)))[0],
    close: async () => void (await Promise.all([writes, ...reads].map((pool) => pool.end()))),
  };
};
