import { Global, Injectable, Module } from '@nestjs/common';
import type { PgCluster } from '../cluster.js';
import { ConfigError, PgMcpError } from '../errors.js';
import { DEFAULT_CLUSTER } from './tokens.js';

/** The clusters of one application, by name. */
@Injectable()
export class ClusterRegistry {
  readonly #clusters = new Map<string, PgCluster>();

  /** Takes a cluster in and connects it. If that fails, the application can't start: the others are closed. */
  async start(cluster: PgCluster): Promise<PgCluster> {
    if (this.#clusters.has(cluster.name)) {
      await this.#closeAll();
      throw new ConfigError('PgMcpModule', [
        {
          path: 'name',
          message: `two modules have the cluster name ${JSON.stringify(cluster.name)}: give one of them another name`,
        },
      ]);
    }
    this.#clusters.set(cluster.name, cluster);
    try {
      await cluster.connect();
      return cluster;
    } catch (error) {
      await this.#closeAll();
      throw error;
    }
  }

  /** @throws PgMcpError `NOT_WIRED` that names the clusters there are. */
  get(name: string = DEFAULT_CLUSTER): PgCluster {
    const cluster = this.#clusters.get(name);
    if (cluster) return cluster;
    const known = [...this.#clusters.keys()].map((each) => JSON.stringify(each)).join(', ') || 'none';
    throw new PgMcpError(
      'NOT_WIRED',
      `there is no cluster ${JSON.stringify(name)} in this application (there are: ${known}); import PgMcpModule.forRoot({ name: ${JSON.stringify(name)}, … })`,
    );
  }

  all(): readonly PgCluster[] {
    return [...this.#clusters.values()];
  }

  async #closeAll(): Promise<void> {
    await Promise.all(this.all().map((cluster) => cluster.close()));
  }
}

/** A static module, so that every `PgMcpModule` of an application shares the one registry. */
@Global()
@Module({ providers: [ClusterRegistry], exports: [ClusterRegistry] })
export class ClusterRegistryModule {}
