import type { EmbeddedClusterConfig } from 'nestjs-pg-mcp/testing';
import { inject } from 'vitest';
import { createReplicatedDatabase } from '../../lib/testing/replicated-database.js';
import { inDatabase } from '../../lib/testing/superuser.js';

/** What global-setup.ts tells the workers of the run's cluster; connection strings are a superuser's. */
export interface SharedCluster {
  readonly config: EmbeddedClusterConfig;
  readonly primary: string;
  readonly replicas: readonly string[];
}

declare module 'vitest' {
  interface ProvidedContext {
    cluster: SharedCluster;
  }
}

export interface FreshDatabase {
  readonly name: string;
  /** In the shape of `db_cluster.json`. */
  readonly config: EmbeddedClusterConfig;
  /** A superuser's, to the database on the primary. */
  readonly adminUrl: string;
  /** The same on each replica. */
  readonly replicaUrls: readonly string[];
}

/**
 * A database of its own for a test file, on the cluster of the run; every replica has it.
 *
 * The servers are everybody's: a test that kills, freezes or promotes starts an `EmbeddedCluster` itself.
 */
export async function freshDatabase(): Promise<FreshDatabase> {
  const { config, primary, replicas } = inject('cluster');
  const [master] = config.masters;
  if (!master) throw new Error('the shared cluster names no master');
  const name = await createReplicatedDatabase({ owner: master.user, primary, replicas });
  const withDatabase = <Entry extends object>(entry: Entry) => ({ ...entry, database: name });
  return {
    name,
    config: {
      ...config,
      masters: config.masters.map(withDatabase),
      replicas: config.replicas.map(withDatabase),
    },
    adminUrl: inDatabase(primary, name),
    replicaUrls: replicas.map((replica) => inDatabase(replica, name)),
  };
}
