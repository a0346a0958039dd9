import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import { READ, WRITE } from '../harness/schema.js';
import { textsOf } from './texts.js';
import type { Account, OpenWay, Target } from './way.js';

const openWith =
  (depthUnlessGiven: number): OpenWay =>
  async (target) => {
    const cluster = clusterOn(target);
    await cluster.connect();
    const texts = textsOf(target);
    let turn = 0;
    const read = async (id: number) => {
      const { rows } = await cluster.query<Account>(texts[turn++ % texts.length] ?? READ, [id]);
      return rows[0];
    };
    const depth = target.depth ?? depthUnlessGiven;
    const within = <T>(work: () => T) => nested(cluster, depth, work);
    return {
      read: depth === 0 ? read : (id) => within(() => read(id)),
      write: async (account) => void (await cluster.query(WRITE, [account, 'a note'])),
      run: (text) => within(() => cluster.query(text)),
      close: () => cluster.close(),
    };
  };

/** As a service calls it that decorates nothing. */
export const openOurs = openWith(0);
/** In a replica scope, as under `@UseReplica()`. */
export const openOursInScope = openWith(1);

export function clusterOn(
  { primary, replicas, monitor, connections, balance }: Target,
  options: ClusterOptions = {},
): PgCluster {
  return PgCluster.fromConfig(
    { masters: [primary], replicas: [...replicas], monitor },
    // As in the other ways: no connection is closed between two slices.
    {
      connectionPool: { maxConnections: connections, idleTimeout: '1h' },
      ...(balance && { routing: { balance } }),
      ...options,
    },
  );
}

function nested<T>(cluster: PgCluster, depth: number, work: () => T): T {
  return depth === 0 ? work() : cluster.useReplica(() => nested(cluster, depth - 1, work));
}
