import { Kysely, PostgresDialect } from 'kysely';
import type { Account } from '../way.js';
import { overCluster, overPool, type OpenOrm } from './backing.js';

const open: OpenOrm = async ({ pool }) => {
  const database = new Kysely<{ account: Account & { owner: string; balance: number } }>({
    dialect: new PostgresDialect({ pool }),
  });
  return {
    read: (id) =>
      database
        .selectFrom('account')
        .select(['id', 'owner', 'balance'])
        .where('id', '=', id)
        .executeTakeFirst(),
    // It would end the pool, which is not its own.
    close: async () => {},
  };
};

/** It has no feature for replicas. */
export const openOverPool = overPool(open);
export const openOverCluster = overCluster(open);
