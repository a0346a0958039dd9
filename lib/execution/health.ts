import type { ClusterStatus, NodeStatus } from './status.js';

export interface ClusterHealth {
  /** `down`: no primary can be used. `degraded`: it works, with less than it should have. */
  readonly status: 'up' | 'degraded' | 'down';
  /** What is not as it should be, one sentence each. */
  readonly problems: readonly string[];
  readonly cluster: ClusterStatus;
}

/** Judges a status. Replicas alone never bring the cluster down: reads go to the primary then. */
export function judgeHealth(cluster: ClusterStatus): ClusterHealth {
  if (cluster.state !== 'ready')
    return { status: 'down', problems: [`the cluster is ${cluster.state}`], cluster };
  const problems = [...underWay(cluster), ...cluster.nodes.flatMap(problemsOf)];
  const primary = cluster.nodes.find((node) => node.name === cluster.primary);
  if (!primary) return { status: 'down', problems: ['there is no primary', ...problems], cluster };
  return { status: problems.length > 0 ? 'degraded' : 'up', problems, cluster };
}

function underWay({ failover }: ClusterStatus): readonly string[] {
  if (!failover) return [];
  const { kind, step, elapsedMs } = failover;
  return [`a ${kind} is under way, ${(elapsedMs / 1_000).toFixed(1)} s: ${step}`];
}

function problemsOf(node: NodeStatus): readonly string[] {
  const { name, role, health, reason, takesReads, pool } = node;
  const problems: string[] = [];
  if (health !== 'up') problems.push(`${name} is ${health}${reason === undefined ? '' : `: ${reason}`}`);
  else if (role === 'replica' && !takesReads) problems.push(`${name} takes no reads: ${reason ?? 'unknown'}`);
  if (pool.pending > 0) {
    problems.push(
      `${name} has ${pool.pending} callers waiting for a connection (${pool.active} of ${pool.max} in use)`,
    );
  }
  return problems;
}
