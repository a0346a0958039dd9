import type { ClusterConfig } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';

/** The cluster to run on. Disposing of it stops the servers that were started for it. */
export interface Database extends AsyncDisposable {
  readonly name: string;
  readonly config: string | ClusterConfig;
}

/** The cluster of a configuration file; without one, a primary and two replicas of our own. */
export async function openDatabase(configPath: string | undefined): Promise<Database> {
  if (configPath) {
    return {
      name: `the cluster of ${configPath}`,
      config: configPath,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const cluster = await EmbeddedCluster.start({ replicas: 2 });
  return {
    name: 'an embedded cluster',
    config: cluster.config,
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
}
