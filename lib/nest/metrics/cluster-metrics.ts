import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { Counter, Gauge, Histogram } from 'prom-client';
import { ClusterRegistry } from '../cluster-registry.js';
import {
  ACQUIRE_DURATION,
  FAILOVER_DURATION,
  QUERY_DURATION,
  SCRAPED_METRICS,
  type ScrapedMetric,
} from './definitions.js';

export type Metric = Counter | Gauge | Histogram;

/**
 * The applications that each metric tells of. `prom-client` keeps one metric of a name in a process, so two
 * applications in it share that one, and it must know both.
 */
const sourcesOf = new WeakMap<Metric, Set<ClusterRegistry>>();

/** Connects the metrics with the clusters of one application, from its bootstrap to its shutdown. */
export class ClusterMetrics implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #registry: ClusterRegistry;
  readonly #metrics: ReadonlyMap<string, Metric>;
  #stopObserving: readonly (() => void)[] = [];

  constructor(registry: ClusterRegistry, metrics: ReadonlyMap<string, Metric>) {
    this.#registry = registry;
    this.#metrics = metrics;
  }

  onApplicationBootstrap(): void {
    for (const definition of SCRAPED_METRICS) {
      const metric = this.#get(definition.name) as Counter | Gauge;
      const sources = sourcesOf.get(metric) ?? new Set();
      sources.add(this.#registry);
      sourcesOf.set(metric, sources);
      Object.assign(metric, { collect: () => scrape(metric, definition, sources) });
    }
    const queries = this.#get(QUERY_DURATION.name) as Histogram;
    const acquires = this.#get(ACQUIRE_DURATION.name) as Histogram;
    const failovers = this.#get(FAILOVER_DURATION.name) as Histogram;
    this.#stopObserving = this.#registry.all().map((cluster) =>
      cluster.observe({
        queryEnded: ({ node, role, seconds }) =>
          queries.observe({ cluster: cluster.name, node, role }, seconds),
        acquired: ({ node, role, seconds }) =>
          acquires.observe({ cluster: cluster.name, node, role }, seconds),
        failoverEnded: ({ outcome, seconds }) =>
          failovers.observe({ cluster: cluster.name, outcome }, seconds),
      }),
    );
  }

  onApplicationShutdown(): void {
    for (const stop of this.#stopObserving) stop();
    for (const metric of this.#metrics.values()) sourcesOf.get(metric)?.delete(this.#registry);
  }

  #get(name: string): Metric {
    const metric = this.#metrics.get(name);
    if (!metric) throw new Error(`the metric ${name} is not provided`);
    return metric;
  }
}

function scrape(
  metric: Counter | Gauge,
  definition: ScrapedMetric,
  sources: ReadonlySet<ClusterRegistry>,
): void {
  metric.reset();
  for (const registry of sources) {
    for (const cluster of registry.all()) {
      for (const [labels, value] of definition.read(cluster)) metric.inc(labels, value);
    }
  }
}
