import type { ClusterSettings, NodeSettings, Role } from '../config/settings.js';
import type { ConnectOptions } from '../pool/driver.js';

/** Advisory locks are per database, so that every process must take them in the same one. */
const COMMON_DATABASE = 'postgres';

/** How the pool of a node connects while it holds that role. A replica's sessions are read-only even if it is promoted. */
export function poolConnectOptions(
  node: NodeSettings,
  role: Role,
  { pool }: ClusterSettings,
): ConnectOptions {
  return {
    node: node.name,
    host: node.host,
    port: node.port,
    database: node.database,
    ...node.accounts[role],
    ssl: node.ssl,
    applicationName: pool.applicationName,
    connectionTimeoutMs: pool.connectionTimeoutMs,
    readOnly: role === 'replica',
    identify: role === 'replica',
    statementTimeoutMs: pool.statementTimeoutMs,
  };
}

/** How the prober of a node connects: as the monitor's account where there is one. */
export function monitorConnectOptions(node: NodeSettings, settings: ClusterSettings): ConnectOptions {
  return {
    node: node.name,
    host: node.host,
    port: node.port,
    database: settings.monitor.database ?? node.database,
    ...(settings.monitor.account ?? node.accounts[node.configuredRole]),
    ssl: node.ssl,
    applicationName: `${settings.pool.applicationName} monitor`,
    connectionTimeoutMs: settings.healthCheck.timeoutMs,
    readOnly: false,
  };
}

/** How a failover connects to a node: as its prober, in the database that all processes have in common. */
export function failoverConnectOptions(node: NodeSettings, settings: ClusterSettings): ConnectOptions {
  return {
    ...monitorConnectOptions(node, settings),
    database: settings.monitor.database ?? COMMON_DATABASE,
    applicationName: `${settings.pool.applicationName} failover`,
  };
}
