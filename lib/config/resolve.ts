import { nodeAddress } from './checks.js';
import type { CheckedCluster } from './schema.js';
import type {
  Account,
  ClusterSettings,
  FailoverSettings,
  MonitorSettings,
  NodeSettings,
  Role,
} from './settings.js';
import { overlaidTls, toTls } from './tls-section.js';
import { Tls } from './tls.js';

type CheckedNode = CheckedCluster['replicas'][number];
type CheckedMaster = CheckedCluster['masters'][number];

/** The checked configuration as the rest of the house reads it. */
export function resolveSettings(
  source: string,
  cluster: CheckedCluster,
  environmentSecret?: string,
): ClusterSettings {
  const { connection_pool: pool, health_check: healthCheck, routing, startup, shutdown, session } = cluster;
  const { leak_detection: leaks } = cluster;
  const secret = session.secret ?? environmentSecret;
  return {
    source,
    nodes: resolveNodes(cluster),
    monitor: resolveMonitor(cluster.monitor),
    pool: {
      minConnections: pool.min_connections,
      maxConnections: pool.max_connections,
      idleTimeoutMs: pool.idle_timeout,
      maxLifetimeMs: pool.max_lifetime,
      acquireTimeoutMs: pool.acquire_timeout,
      connectionTimeoutMs: pool.connection_timeout,
      keepaliveIntervalMs: pool.keepalive_interval,
      applicationName: pool.application_name,
      prepare: pool.prepare,
      statementTimeoutMs: pool.statement_timeout,
    },
    healthCheck: { intervalMs: healthCheck.interval, timeoutMs: healthCheck.timeout },
    routing: {
      default: routing.default,
      maxLagMs: routing.max_lag,
      maxLagBytes: routing.max_lag_bytes,
      balance: routing.balance,
      mode: routing.mode,
      safeFunctions: routing.safe_functions,
      slowStartMs: routing.slow_start,
      ...(routing.zone !== undefined && { zone: routing.zone }),
    },
    consistency: cluster.consistency,
    failover: resolveFailover(cluster.failover),
    session: {
      header: session.header,
      cookie: session.cookie,
      ...(secret !== undefined && { secret: () => secret }),
    },
    leakDetection: { thresholdMs: leaks.threshold, action: leaks.action },
    startup: { attempts: startup.attempts, delayMs: startup.delay },
    shutdown: { drainTimeoutMs: shutdown.drain_timeout },
  };
}

function resolveNodes({ masters, replicas, ssl }: CheckedCluster): NodeSettings[] {
  const [first] = masters;
  if (first === undefined) throw new TypeError('a checked configuration has a master');
  const masterAccounts = masters.map(accountOf);
  const replicaAccounts = replicas.map((node) => replicaAccount(node, first));

  const node = (given: CheckedNode, configuredRole: Role, own: Account, other: Account): NodeSettings => ({
    name: given.name ?? nodeAddress(given.host, given.port),
    host: given.host,
    port: given.port,
    database: given.database ?? first.database,
    configuredRole,
    accounts:
      configuredRole === 'primary' ? { primary: own, replica: other } : { primary: other, replica: own },
    // No server speaks TLS over a Unix socket, and libpq ignores it there too.
    ssl: !given.host.startsWith('/') && toTls(overlaidTls(ssl, given.ssl)),
    weight: given.weight,
    ...(given.zone !== undefined && { zone: given.zone }),
  });
  const inRole = (
    nodes: readonly CheckedNode[],
    role: Role,
    own: readonly Account[],
    other: readonly Account[],
  ) =>
    nodes.flatMap((given, index) => {
      const account = own[index];
      return account === undefined ? [] : [node(given, role, account, other[0] ?? account)];
    });
  return [
    ...inRole(masters, 'primary', masterAccounts, replicaAccounts),
    ...inRole(replicas, 'replica', replicaAccounts, masterAccounts),
  ];
}

function accountOf({ user, password }: Pick<CheckedMaster, 'user' | 'password'>): Account {
  if (password === undefined) return { user };
  return { user, password: typeof password === 'string' ? () => password : password };
}

/** The master's password stands in only for the master's user: it is no other account's. */
function replicaAccount(node: CheckedNode, master: CheckedMaster): Account {
  const user = node.user ?? master.user;
  const password = node.password ?? (user === master.user ? master.password : undefined);
  return accountOf({ user, password });
}

function resolveFailover({ patroni, ...failover }: CheckedCluster['failover']): FailoverSettings {
  const { user, password, ssl } = patroni;
  return {
    mode: failover.mode,
    maxRetryAttempts: failover.max_retry_attempts,
    retryDelayMs: failover.retry_delay,
    maxDataLossBytes: failover.max_data_loss,
    withoutQuorum: failover.without_quorum,
    maxWaitingCalls: failover.max_waiting_calls,
    ...(failover.notification_callback && { notificationCallback: failover.notification_callback }),
    patroni: {
      urls: patroni.urls,
      ...(user !== undefined && { account: accountOf({ user, password }) }),
      ssl: toTls(ssl ?? {}) || new Tls(),
      timeoutMs: patroni.timeout,
    },
  };
}

function resolveMonitor({ user, password, database }: CheckedCluster['monitor']): MonitorSettings {
  return {
    ...(user !== undefined && { account: accountOf({ user, password }) }),
    ...(database !== undefined && { database }),
  };
}
