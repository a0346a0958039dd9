import { Module } from '@nestjs/common';
import {
  getToken,
  makeCounterProvider,
  makeGaugeProvider,
  makeHistogramProvider,
} from '@willsoto/nestjs-prometheus';
import { ClusterRegistry } from '../cluster-registry.js';
import { ClusterMetrics, type Metric } from './cluster-metrics.js';
import { OBSERVED_METRICS, SCRAPED_METRICS } from './definitions.js';

const names = [...SCRAPED_METRICS, ...OBSERVED_METRICS].map(({ name }) => name);

const metricProviders = [
  ...SCRAPED_METRICS.map(({ type, name, help, labelNames }) => {
    const make = type === 'gauge' ? makeGaugeProvider : makeCounterProvider;
    return make({ name, help, labelNames: [...labelNames] });
  }),
  ...OBSERVED_METRICS.map(({ name, help, labelNames, buckets }) =>
    makeHistogramProvider({ name, help, labelNames: [...labelNames], buckets: [...buckets] }),
  ),
];

/**
 * The figures of all the application's clusters for `PrometheusModule` of `@willsoto/nestjs-prometheus`,
 * which serves them. Pool and lag are read when they are scraped. Each metric is injectable by
 * `@InjectMetric(name)`.
 */
@Module({
  providers: [
    ...metricProviders,
    {
      provide: ClusterMetrics,
      useFactory: (registry: ClusterRegistry, ...metrics: Metric[]) =>
        new ClusterMetrics(
          registry,
          new Map(
            names.flatMap((name, i) => {
              const metric = metrics[i];
              return metric ? [[name, metric] as const] : [];
            }),
          ),
        ),
      inject: [ClusterRegistry, ...names.map((name) => getToken(name))],
    },
  ],
  exports: metricProviders,
})
export class PgMcpMetricsModule {}
