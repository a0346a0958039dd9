import pg from 'pg';
import { ClusterPool } from './cluster-pool.js';
import type { LateClientOptions } from './late-client.js';
import { StandingClient } from './standing-client.js';

/** What counts of a pool's options. The others say where to connect, and as whom, which is the cluster's to say. */
const POOL_OPTIONS = [
  'allowExitOnIdle',
  'idleTimeoutMillis',
  'log',
  'maxLifetimeSeconds',
  'maxUses',
  'min',
  'onConnect',
  'types',
  'verify',
] as const;

interface PoolOptions extends pg.PoolConfig {
  /** An older name of `max`. */
  readonly poolSize?: number | undefined;
}

/** The module `pg`, whose pools and clients are of a cluster. */
export type PgModule = Omit<typeof pg, 'Pool' | 'Client'> & {
  readonly Pool: new (options?: PoolOptions) => ClusterPool;
  readonly Client: new (options?: LateClientOptions) => StandingClient;
};

/**
 * The module `pg` over a cluster, for an ORM that asks for that rather than for a pool: TypeORM's `driver`, Sequelize's
 * `dialectModule`. Its `Pool` is another `cluster.pool`, its `Client` is for an ORM that keeps clients in a pool of its
 * own. Of their options those of a pool and `types` count; where to connect is the cluster's to say.
 */
export function pgModule(cluster: { readonly pool: ClusterPool }): PgModule {
  const { calls, options: defaults } = cluster.pool;
  class Pool extends ClusterPool {
    constructor(options: PoolOptions = {}) {
      const { max = options.poolSize, connectionTimeoutMillis } = options;
      super(calls, {
        ...pick(options),
        database: defaults.database ?? '',
        max: max ?? defaults.max,
        connectionTimeoutMillis: connectionTimeoutMillis ?? defaults.connectionTimeoutMillis ?? 0,
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

/** What is given as undefined is not given. */
function pick(options: object): Partial<pg.PoolConfig> {
  const given = new Map(Object.entries(options));
  return Object.fromEntries(
    POOL_OPTIONS.flatMap((name) => (given.get(name) === undefined ? [] : [[name, given.get(name)]])),
  );
}
