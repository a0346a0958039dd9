import { loadPeer } from '../../harness/peers.js';
import { READ } from '../../harness/schema.js';
import type { Account, NodeAddress, OpenWay } from '../way.js';

interface Sequelize {
  query(text: string, options: { bind: readonly unknown[]; type: string }): Promise<Account[]>;
  close(): Promise<void>;
}

interface Module {
  Sequelize: new (options: object) => Sequelize;
  QueryTypes: { readonly SELECT: string };
}

export const openSequelize: OpenWay = async ({ primary, replicas, connections }) => {
  const { Sequelize, QueryTypes } = loadPeer('sequelize') as Module;
  const sequelize = new Sequelize({
    dialect: 'postgres',
    replication: { write: credentials(primary), read: replicas.map(credentials) },
    // As in the other ways: no connection is closed between two slices.
    pool: { max: connections, idle: 3_600_000 },
    logging: false,
  });
  return {
    read: async (id) => (await sequelize.query(READ, { bind: [id], type: QueryTypes.SELECT }))[0],
    close: () => sequelize.close(),
  };
};

function credentials({ host, port, user, password, database }: NodeAddress) {
  return { host, port, username: user, password, database };
}
