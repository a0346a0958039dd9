import type { PgCluster } from '../../cluster.js';
import type { ClusterCounters } from '../../cluster-types.js';
import type { ClusterStatus, NodeStatus } from '../../execution/status.js';

export type Labels = Record<string, string>;

/** A metric that is read off the clusters when it is scraped. */
export interface ScrapedMetric {
  readonly type: 'gauge' | 'counter';
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  read(cluster: PgCluster): readonly (readonly [Labels, number])[];
}

/** A metric that is fed as things happen. Seconds. */
export interface ObservedMetric {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly buckets: readonly number[];
}

const NODE_LABELS = ['cluster', 'node', 'role'];
const FROM_HALF_A_MILLISECOND = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export const SCRAPED_METRICS: readonly ScrapedMetric[] = [
  ofNodes('db_pool_size', 'The most connections the pool of a node may open.', ({ pool }) => pool.max),
  ofNodes('db_active_connections', 'Connections in use.', ({ pool }) => pool.active),
  ofNodes('db_idle_connections', 'Connections that are open and free.', ({ pool }) => pool.idle),
  ofNodes('db_pending_acquires', 'Callers that wait for a connection.', ({ pool }) => pool.pending),
  ofNodes('db_node_up', '1 when the node is up, else 0.', ({ health }) => (health === 'up' ? 1 : 0)),
  ofReplicas(
    'db_replica_lag_bytes',
    'WAL of the primary that the replica has not replayed.',
    (node) => node.lagBytes,
  ),
  ofReplicas(
    'db_replica_lag_seconds',
    'How long ago the primary was where the replica has replayed to.',
    (node) => node.lagSeconds,
  ),
  counted(
    'db_routing_decisions_total',
    'Routing decisions by target and reason; a call that runs again makes another.',
    ['target', 'reason'],
    ({ decisions }) => decisions.map(({ target, reason, count }) => [{ target, reason }, count]),
  ),
  counted(
    'db_session_fallbacks_total',
    'Reads that went to the primary because no replica was known to have what their session had written.',
    [],
    ({ decisions }) => {
      const fallback = decisions.find(
        ({ target, reason }) => target === 'primary' && reason === 'behind-session',
      );
      return [[{}, fallback?.count ?? 0]];
    },
  ),
  counted(
    'db_session_tokens_ignored_total',
    'Tokens of sessions that counted for nothing, by the reason.',
    ['reason'],
    ({ ignoredTokens }) => [...ignoredTokens].map(([reason, count]) => [{ reason }, count]),
  ),
  counted('db_retries_total', 'Calls that ran again, by the reason.', ['reason'], ({ retries }) =>
    [...retries].map(([reason, count]) => [{ reason }, count]),
  ),
  counted(
    'db_failovers_total',
    'Failovers and switchovers that are over, by how they ended.',
    ['outcome'],
    ({ failovers }) => [...failovers].map(([outcome, count]) => [{ outcome }, count]),
  ),
  counted(
    'db_connection_leaks_total',
    'Connections held past leak_detection.threshold or never released, by who kept them.',
    ['kind'],
    ({ leaks }) => [...leaks].map(([kind, count]) => [{ kind }, count]),
  ),
  counted('db_connections_opened_total', 'Connections opened.', ['node'], ({ connections }) =>
    connections.map(({ node, opened }) => [{ node }, opened]),
  ),
  counted(
    'db_connections_closed_total',
    'Connections closed, by the reason.',
    ['node', 'reason'],
    ({ connections }) =>
      connections.flatMap(({ node, closed }) =>
        [...closed].map(([reason, count]): [Labels, number] => [{ node, reason }, count]),
      ),
  ),
];

export const QUERY_DURATION: ObservedMetric = {
  name: 'db_query_duration_seconds',
  help: 'How long statements took, from their sending to their result.',
  labelNames: NODE_LABELS,
  buckets: FROM_HALF_A_MILLISECOND,
};

export const ACQUIRE_DURATION: ObservedMetric = {
  name: 'db_acquire_duration_seconds',
  help: 'How long callers waited for a connection.',
  labelNames: NODE_LABELS,
  buckets: FROM_HALF_A_MILLISECOND,
};

export const FAILOVER_DURATION: ObservedMetric = {
  name: 'db_failover_duration_seconds',
  help: 'How long failovers and switchovers took, from the first sign of trouble to a primary in use.',
  labelNames: ['cluster', 'outcome'],
  buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
};

export const OBSERVED_METRICS = [QUERY_DURATION, ACQUIRE_DURATION, FAILOVER_DURATION];

function ofNodes(name: string, help: string, value: (node: NodeStatus) => number): ScrapedMetric {
  const read = (cluster: PgCluster) =>
    cluster.getStatus().nodes.map((node): [Labels, number] => [nodeLabels(cluster, node), value(node)]);
  return { type: 'gauge', name, help, labelNames: NODE_LABELS, read };
}

/** Only where the value is known: no figure is better than a false zero. */
function ofReplicas(
  name: string,
  help: string,
  value: (node: NodeStatus) => number | undefined,
): ScrapedMetric {
  const read = (cluster: PgCluster) => {
    const status = cluster.getStatus();
    return status.nodes.flatMap((node): [Labels, number][] => {
      const found = value(node);
      if (found === undefined) return [];
      return [[{ ...nodeLabels(cluster, node), replica_host: hostLabel(status, node) }, found]];
    });
  };
  return { type: 'gauge', name, help, labelNames: [...NODE_LABELS, 'replica_host'], read };
}

function counted(
  name: string,
  help: string,
  labelNames: readonly string[],
  values: (counters: ClusterCounters) => readonly (readonly [Labels, number])[],
): ScrapedMetric {
  const read = (cluster: PgCluster) =>
    values(cluster.getCounters()).map(([labels, count]): [Labels, number] => [
      { cluster: cluster.name, ...labels },
      count,
    ]);
  return { type: 'counter', name, help, labelNames: ['cluster', ...labelNames], read };
}

function nodeLabels(cluster: PgCluster, { name, role }: NodeStatus): Labels {
  return { cluster: cluster.name, node: name, role };
}

/** The host, or host:port where several nodes share it. */
function hostLabel({ nodes }: ClusterStatus, { host, port }: NodeStatus): string {
  return nodes.filter((other) => other.host === host).length > 1 ? `${host}:${port}` : host;
}
