import type { Facts } from '../facts.js';
import { fail, finding, pass, warn, type Finding, type Verdict } from '../finding.js';

/** Whether Prometheus would get the pools' figures. */
export function checkMetrics(facts: Facts): Finding[] {
  return [finding('metrics', judge(facts))];
}

function judge({ metrics }: Facts): Verdict {
  if (!metrics) return warn('not looked at', 'say where they are: --metrics-url http://app:3000/metrics');
  const { url } = metrics;
  if ('unseen' in metrics)
    return fail(`${url} does not answer: ${metrics.unseen}`, 'start the application, or correct the URL');
  if (metrics.status !== 200)
    return fail(`${url} answers with status ${metrics.status}`, 'open the page to Prometheus');
  if (metrics.hasPoolSize) return pass(`${url} has db_pool_size`);
  return fail(`${url} has no db_pool_size`, 'import PgMcpMetricsModule from nestjs-pg-mcp/metrics');
}
