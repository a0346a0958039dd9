import { Inject } from '@nestjs/common';
import { PgCluster } from '../cluster.js';

export const DEFAULT_CLUSTER = 'default';

/** The options of one `PgMcpModule`, within it. */
export const PG_MCP_OPTIONS = Symbol('nestjs-pg-mcp:options');

/** The cluster of one `PgMcpModule`, within it. */
export const OWN_CLUSTER = Symbol('nestjs-pg-mcp:own-cluster');

/** What a cluster is injected by: the class `PgCluster` for the default one, a text for a named one. */
export function getClusterToken(name: string = DEFAULT_CLUSTER): typeof PgCluster | string {
  return name === DEFAULT_CLUSTER ? PgCluster : `PgCluster:${name}`;
}

/** Injects the cluster of that name; without a name the default one, as the type `PgCluster` alone does too. */
export function InjectCluster(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getClusterToken(name));
}
