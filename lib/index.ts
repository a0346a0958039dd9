export type { InsertManyOptions } from './bulk/insert-many.js';
export type { CopyFormat, CopyFromOptions, CopyProgress, CopyResult, CopyToOptions } from './bulk/options.js';
export type { BulkRow, CopySource } from './bulk/pull.js';
export type { StreamOptions } from './bulk/stream.js';
export { PgCluster } from './cluster.js';
export type { ClusterCounters, ClusterEvents, ClusterParts, Transacted } from './cluster-types.js';
export type { Clock, Timer } from './clock.js';
export {
  cachedPassword,
  clusterJsonSchema,
  encryptSecret,
  loadSettings,
  type CachedPasswordOptions,
  type ClusterConfig,
  type ClusterOptions,
  type PasswordFunction,
  type PasswordTarget,
} from './config/index.js';
export type { ClusterSettings } from './config/settings.js';
export type { Doctor } from './cluster-doctor.js';
export type { DoctorOptions } from './doctor/examine.js';
export type { CheckName, DoctorReport, Finding, Level } from './doctor/finding.js';
export {
  AcquireTimeoutError,
  ConfigError,
  ConnectError,
  ConnectionLostError,
  NotReplicatedError,
  type LossOutcome,
  PgMcpError,
  StartupError,
  type ConfigFault,
  type NodeFault,
  type PgMcpErrorCode,
  type PoolCounts,
} from './errors.js';
export type { FailoverCallback, FailoverEvent, FailoverStep } from './failover-event.js';
export { describeLeak, type LeakEvent, type LeakKind, type LeakState } from './leak-event.js';
export type { ClusterHealth } from './execution/health.js';
export type { RouteExplanation } from './execution/route-explanation.js';
export type { Sessions } from './execution/sessions.js';
export type { ShadowedText, ShadowReport } from './execution/shadow-report.js';
export type { ClusterState, ClusterStatus, NodeStatus } from './execution/status.js';
export type { ClusterObserver } from './execution/tally.js';
export { ClusterRegistry } from './nest/cluster-registry.js';
export { UseMaster, type UseMasterOptions } from './nest/decorators/use-master.js';
export { UseReplica, type UseReplicaOptions } from './nest/decorators/use-replica.js';
export { UseSession, type UseSessionOptions } from './nest/decorators/use-session.js';
export type { PgMcpModuleExtras, PgMcpModuleOptions, PgMcpOptionsFactory } from './nest/module-options.js';
export { PgMcpModule } from './nest/pg-mcp.module.js';
export { getClusterToken, InjectCluster } from './nest/tokens.js';
export type { Consistency, Queryable, QueryField, QueryResult, Statement } from './query.js';
export { Lease } from './session/lease.js';
export { RequestScope, type PrimaryOptions, type ReplicaOptions } from './session/scope.js';
export type { TransactionOptions } from './session/transaction.js';
export type { IsolationLevel } from './transaction-modes.js';
export type { NodeChange } from './topology/changes.js';
