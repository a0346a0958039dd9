import pg from 'pg';
import { ClusterPool } from './cluster-pool.js';
import type { LateClientOptions } from './late-client.js';
import { StandingClient } from './standing-client.js';

/** What an ORM may say of its pool; by what it would connect (host, user, password, TLS) is the cluster's. */
type PoolOptions = Pick<pg.PoolConfig, 'max' | 'connectionTimeoutMillis' | 'types'>;

/** The module `pg`, whose pools and clients are of a cluster. */
export type PgModule = Omit<typeof pg, 'Pool' | 'Client'> & {
  readonly Pool: new (options?: PoolOptions) => ClusterPool;
  readonly Client: new (options?: LateClientOptions) => StandingClient;
};

/**
 * The module `pg` over a cluster, for an ORM that asks for that rather than for a pool: TypeORM's `driver`, Sequelize's
 * `dialectModule`. Its `Pool` is another `cluster.pool`, its `Client` is for an ORM that keeps clients in a pool of its
 * own. Of their options `max`, `connectionTimeoutMillis` and `types` count; where to connect is the cluster's to say.
 */
export function pgModule(cluster: { readonly pool: ClusterPool }): PgModule {
  const { calls, options: defaults } = cluster.pool;
  class Pool extends ClusterPool {
    constructor({ max, connectionTimeoutMillis, types }: PoolOptions = {}) {
      super(calls, {
        database: defaults.database ?? '',
        max: max ?? defaults.max,
        connectionTimeoutMillis: connectionTimeoutMillis ?? defaults.connectionTimeoutMillis ?? 0,
        ...(types && { types }),
      });
    }
  }
  class Client extends StandingClient {
    constructor(options?: LateClientOptions) {
      super(calls, options);
    }
  }
  return { ...pg, Pool, Client };
}
