import { Injectable, Module } from '@nestjs/common';
import { HealthIndicatorService, TerminusModule, type HealthIndicatorResult } from '@nestjs/terminus';
import type { ClusterHealth } from '../../execution/health.js';
import { ClusterRegistry } from '../cluster-registry.js';

export interface PgMcpHealthOptions {
  /** The name of the cluster; the default one unless given. */
  readonly cluster?: string;
}

/** Tells Terminus how a cluster is: `down` without a primary, `degraded` with less than all, else `up`. */
@Injectable()
export class PgMcpHealthIndicator {
  readonly #indicators: HealthIndicatorService;
  readonly #registry: ClusterRegistry;

  constructor(indicators: HealthIndicatorService, registry: ClusterRegistry) {
    this.#indicators = indicators;
    this.#registry = registry;
  }

  /** Asks every node. For readiness; liveness should not touch the database. */
  async isHealthy<const Key extends string>(
    key: Key,
    { cluster }: PgMcpHealthOptions = {},
  ): Promise<HealthIndicatorResult<Key>> {
    const health = await this.#registry.get(cluster).healthCheck();
    const indicator = this.#indicators.check(key);
    const data = summary(health);
    switch (health.status) {
      case 'up':
        return indicator.up(data);
      case 'degraded':
        // Terminus 11 has no such state: it is up there, and the problems say what is missing.
        return indicator.degraded?.(data) ?? indicator.up(data);
      case 'down':
        return indicator.down(data);
    }
  }
}

/** What the health page shows: enough to see which node and why, without accounts or connection strings. */
function summary({ problems, cluster }: ClusterHealth) {
  const nodes = cluster.nodes.map(
    ({ name, role, health, takesReads, lagBytes, lagSeconds, reason, pool }) => [
      name,
      { role, health, takesReads, lagBytes, lagSeconds, reason, pool },
    ],
  );
  return {
    primary: cluster.primary,
    ...(cluster.failover && { failover: cluster.failover }),
    problems,
    nodes: Object.fromEntries(nodes) as Record<string, unknown>,
  };
}

/** Offers `PgMcpHealthIndicator` to the controller that serves `/health`. */
@Module({ imports: [TerminusModule], providers: [PgMcpHealthIndicator], exports: [PgMcpHealthIndicator] })
export class PgMcpHealthModule {}
