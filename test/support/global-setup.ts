import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import type { TestProject } from 'vitest/node';
import { compileForChildren } from './children.js';
import type { SharedCluster } from './cluster.js';

/** One real cluster for the whole run; the test files take databases of their own from it (cluster.ts). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await compileForChildren();
  const cluster = await EmbeddedCluster.start({ replicas: 2 });
  const shared: SharedCluster = {
    config: cluster.config,
    primary: cluster.primary.connectionString,
    replicas: cluster.replicas.map((node) => node.connectionString),
  };
  project.provide('cluster', shared);
  return () => cluster.stop();
}
