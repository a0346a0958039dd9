import knex from 'knex';
import type { Account } from '../way.js';
import { overCluster, overPool, type OpenOrm } from './backing.js';

const open: OpenOrm = async ({ module, node: { host, port, user, password, database }, maxClients }) => {
  const db = knex({
    client: 'pg',
    connection: { host, port, user, password, database },
    pool: { min: 0, max: maxClients, idleTimeoutMillis: 3_600_000 },
  });
  db.client.driver = module;
  return {
    read: (id) => db<Account>('account').select('id', 'owner', 'balance').where({ id }).first(),
    close: () => db.destroy(),
  };
};

/** It has no feature for replicas. */
export const openOverPool = overPool(open);
export const openOverCluster = overCluster(open);
