import { loadPeer } from '../../harness/peers.js';
import { READ } from '../../harness/schema.js';
import type { Account, NodeAddress, OpenWay, Target } from '../way.js';

interface QueryRunner {
  query(text: string, values: readonly unknown[]): Promise<Account[]>;
  release(): Promise<void>;
}

interface DataSource {
  initialize(): Promise<unknown>;
  destroy(): Promise<void>;
  createQueryRunner(mode: 'slave'): QueryRunner;
  getRepository(entity: object): { findOneBy(where: { id: number }): Promise<Account | null> };
}

interface TypeOrm {
  DataSource: new (options: object) => DataSource;
  EntitySchema: new (options: object) => object;
}

/** A text of one's own, by a query runner on the replica. */
export const openTypeOrmRaw: OpenWay = async (target) => {
  const { source } = await open(target);
  return {
    read: async (id) => {
      const runner = source.createQueryRunner('slave');
      try {
        return (await runner.query(READ, [id]))[0];
      } finally {
        await runner.release();
      }
    },
    close: () => source.destroy(),
  };
};

export const openTypeOrmRepository: OpenWay = async (target) => {
  const { source, account } = await open(target);
  const repository = source.getRepository(account);
  return {
    read: async (id) => (await repository.findOneBy({ id })) ?? undefined,
    close: () => source.destroy(),
  };
};

async function open({ primary, replicas, connections }: Target) {
  const { DataSource, EntitySchema } = loadPeer('typeorm') as TypeOrm;
  const account = new EntitySchema({
    name: 'account',
    columns: {
      id: { type: 'int', primary: true },
      owner: { type: 'text' },
      balance: { type: 'int' },
    },
  });
  const source = new DataSource({
    type: 'postgres',
    replication: { master: credentials(primary), slaves: replicas.map(credentials) },
    poolSize: connections,
    // As in the other ways: no connection is closed between two slices.
    extra: { idleTimeoutMillis: 0 },
    entities: [account],
  });
  await source.initialize();
  return { source, account };
}

function credentials({ host, port, user, password, database }: NodeAddress) {
  return { host, port, username: user, password, database };
}
