import { DataTypes, QueryTypes, Sequelize, type Options } from 'sequelize';
import { READ } from '../../harness/schema.js';
import type { Account, NodeAddress, OpenWay, Target } from '../way.js';
import { overCluster, overPool, wayOf, type OpenOrm, type Read } from './backing.js';

/** In all ways: what is set for a session keeps reads from sharing connections. */
const SETS_NOTHING = { keepDefaultTimezone: true, dialectOptions: { clientMinMessages: 'ignore' } };

function start(options: Options, max: number): Sequelize {
  return new Sequelize({
    dialect: 'postgres',
    // As in the other ways: no connection is closed between two slices.
    pool: { max, idle: 3_600_000 },
    logging: false,
    ...SETS_NOTHING,
    ...options,
  });
}

function byModel(sequelize: Sequelize): Read {
  const account = sequelize.define(
    'account',
    {
      id: { type: DataTypes.INTEGER, primaryKey: true },
      owner: DataTypes.TEXT,
      balance: DataTypes.INTEGER,
    },
    { timestamps: false, freezeTableName: true },
  );
  return async (id) => (await account.findByPk(id)) as unknown as Account | null;
}

const open: OpenOrm = async ({ module, node, maxClients }) => {
  const sequelize = start({ ...credentials(node), dialectModule: module }, maxClients);
  return { read: byModel(sequelize), close: () => sequelize.close() };
};

export const openOverPool = overPool(open);
export const openOverCluster = overCluster(open);

export const openReplicas: OpenWay = async (target) => {
  const sequelize = replicated(target);
  return wayOf({ read: byModel(sequelize), close: () => sequelize.close() });
};

/** A text of one's own. */
export const openReplicasRaw: OpenWay = async (target) => {
  const sequelize = replicated(target);
  const read: Read = async (id) =>
    (await sequelize.query<Account>(READ, { bind: [id], type: QueryTypes.SELECT }))[0];
  return wayOf({ read, close: () => sequelize.close() });
};

function replicated({ primary, replicas, connections }: Target): Sequelize {
  return start(
    { replication: { write: credentials(primary), read: replicas.map(credentials) } },
    connections,
  );
}

function credentials({ host, port, user, password, database }: NodeAddress) {
  return { host, port, username: user, password, database };
}
