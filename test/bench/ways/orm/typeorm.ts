import { DataSource, EntitySchema, type DataSourceOptions } from 'typeorm';
import { READ } from '../../harness/schema.js';
import type { Account, NodeAddress, OpenWay, Target } from '../way.js';
import { overCluster, overPool, wayOf, type OpenOrm, type Read } from './backing.js';

const account = new EntitySchema<Account>({
  name: 'account',
  columns: {
    id: { type: 'int', primary: true },
    owner: { type: 'text' },
    balance: { type: 'int' },
  } as object,
});

type Options = Extract<DataSourceOptions, { type: 'postgres' }>;

function start(options: Partial<Options>): Promise<DataSource> {
  return new DataSource({
    type: 'postgres',
    // As in the other ways: no connection is closed between two slices.
    extra: { idleTimeoutMillis: 0 },
    entities: [account],
    ...options,
  }).initialize();
}

function byRepository(source: DataSource): Read {
  const repository = source.getRepository(account);
  return (id) => repository.findOneBy({ id });
}

const open: OpenOrm = async ({ module, node, maxClients }) => {
  const source = await start({ ...credentials(node), driver: module, poolSize: maxClients });
  return { read: byRepository(source), close: () => source.destroy() };
};

export const openOverPool = overPool(open);
export const openOverCluster = overCluster(open);

export const openReplicas: OpenWay = async (target) => {
  const source = await replicated(target);
  return wayOf({ read: byRepository(source), close: () => source.destroy() });
};

/** A text of one's own, by a query runner on the replica. */
export const openReplicasRaw: OpenWay = async (target) => {
  const source = await replicated(target);
  const read = async (id: number) => {
    const runner = source.createQueryRunner('slave');
    try {
      const rows: Account[] = await runner.query(READ, [id]);
      return rows[0];
    } finally {
      await runner.release();
    }
  };
  return wayOf({ read, close: () => source.destroy() });
};

function replicated({ primary, replicas, connections }: Target): Promise<DataSource> {
  return start({
    replication: { master: credentials(primary), slaves: replicas.map(credentials) },
    poolSize: connections,
  });
}

function credentials({ host, port, user, password, database }: NodeAddress) {
  return { host, port, username: user, password, database };
}
