import { defineEntity, MikroORM, p, type Options } from '@mikro-orm/postgresql';
import { PostgresDialect } from 'kysely';
import type { NodeAddress, OpenWay } from '../way.js';
import { overCluster, overPool, wayOf, type OpenOrm, type Read } from './backing.js';

const account = defineEntity({
  name: 'Account',
  tableName: 'account',
  properties: { id: p.integer().primary(), owner: p.string(), balance: p.integer() },
});

async function start(options: Options): Promise<{ read: Read; close(): Promise<unknown> }> {
  const orm = await MikroORM.init({ ...options, entities: [account] });
  return { read: (id) => orm.em.fork().findOne(account, id), close: () => orm.close() };
}

const open: OpenOrm = async ({ pool, node: { database } }) => {
  const { read } = await start({ dbName: database, driverOptions: new PostgresDialect({ pool }) });
  // To close it would end the pool, which is not its own.
  return { read, close: async () => {} };
};

export const openOverPool = overPool(open);
export const openOverCluster = overCluster(open);

/** Reads outside a transaction go to one of `replicas`. */
export const openReplicas: OpenWay = async ({ primary, replicas, connections }) => {
  const access = ({ host, port, user, password, database }: NodeAddress) => ({
    host,
    port,
    user,
    password,
    dbName: database,
  });
  const pool = { min: 0, max: connections, idleTimeoutMillis: 3_600_000 };
  return wayOf(await start({ ...access(primary), pool, replicas: replicas.map(access) }));
};
