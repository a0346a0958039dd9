import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text, withReplicas } from 'drizzle-orm/pg-core';
import type { OpenWay } from '../way.js';
import { overCluster, overPool, poolTo, wayOf, type OpenOrm, type Read } from './backing.js';

const account = pgTable('account', {
  id: integer().primaryKey(),
  owner: text().notNull(),
  balance: integer().notNull(),
});

type Database = Pick<ReturnType<typeof drizzle>, 'select'>;

const readerOf =
  (database: Database): Read =>
  async (id) =>
    (await database.select().from(account).where(eq(account.id, id)))[0];

const open: OpenOrm = async ({ pool }) => ({ read: readerOf(drizzle(pool)), close: async () => {} });

export const openOverPool = overPool(open);
export const openOverCluster = overCluster(open);

export const openReplicas: OpenWay = async (target) => {
  const [writes, ...reads] = [target.primary, ...target.replicas].map((node) => poolTo(node, target));
  const [first, ...others] = reads.map((pool) => drizzle(pool));
  if (!writes || !first) throw new Error('this way needs a replica');
  return wayOf({ read: readerOf(withReplicas(drizzle(writes), [first, ...others])) }, () =>
    Promise.all([writes, ...reads].map((pool) => pool.end())),
  );
};
