import { loadPeer } from '../../harness/peers.js';
import { READ } from '../../harness/schema.js';
import { firstReplica, type Account, type OpenWay } from '../way.js';

interface Sql {
  unsafe(
    text: string,
    values: readonly unknown[],
    options: { prepare: boolean },
  ): Promise<readonly Account[]>;
  end(): Promise<void>;
}

/** `postgres` knows no replicas: it is connected to the one. It prepares statements and pipelines them. */
export const openPostgresJs: OpenWay = async (target) => {
  const { host, port, user, password, database } = firstReplica(target);
  const postgres = loadPeer('postgres') as (options: object) => Sql;
  const sql = postgres({ host, port, user, password, database, max: target.connections });
  return {
    read: async (id) => (await sql.unsafe(READ, [id], { prepare: true }))[0],
    close: () => sql.end(),
  };
};
