export { cachedPassword, type CachedPasswordOptions } from './cached-password.js';
export { clusterJsonSchema } from './json-schema.js';
export { loadSettings } from './load.js';
export { encryptSecret, findSecretKey } from './secrets.js';
export type {
  Account,
  Balance,
  ClusterSettings,
  MonitorSettings,
  NodeSettings,
  Password,
  PasswordFunction,
  PasswordTarget,
  PoolSettings,
  Role,
  RoutingSettings,
} from './settings.js';
export type { ClusterConfig, ClusterOptions, MasterConfig, ReplicaConfig } from './types.js';
