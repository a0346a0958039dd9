import { loadSettings, type ClusterConfig } from 'nestjs-pg-mcp';
import type { NodeSettings, Role } from '../../lib/config/settings.js';
import type { AccountFacts, Facts, NodeFacts, ServerFacts } from '../../lib/doctor/facts.js';
import { sure } from '../support/sure.js';

const account = { user: 'app', password: 'hunter2', database: 'shop', ssl: true };

/** One primary and two replicas, of which nothing is to be said. */
export const SOUND: ClusterConfig = {
  masters: [{ host: 'db1', name: 'db1', ...account }],
  replicas: ['db2', 'db3'].map((host) => ({ host, name: host, ...account, user: 'reader' })),
  connectionPool: { minConnections: 2, statementTimeout: '30s' },
};

const PARAMETERS: Readonly<Record<string, string>> = {
  cluster_name: 'db1',
  hot_standby_feedback: 'on',
  max_connections: '100',
  max_slot_wal_keep_size: '1024',
  max_standby_streaming_delay: '5000',
  max_wal_senders: '10',
  max_worker_processes: '8',
  reserved_connections: '2',
  superuser_reserved_connections: '3',
  synchronous_commit: 'on',
  synchronous_standby_names: 'ANY 1 (db1, db2, db3)',
  wal_keep_size: '0',
  wal_level: 'replica',
  wal_receiver_timeout: '5000',
};

export function server(
  role: Role,
  {
    parameters = {},
    ...given
  }: Partial<Omit<ServerFacts, 'parameters'>> & { parameters?: Record<string, string> } = {},
): ServerFacts {
  return {
    role,
    version: '18.0',
    parameters: new Map(Object.entries({ ...PARAMETERS, ...parameters })),
    isMonitor: true,
    clients: { probes: 2, others: 5 },
    slots: role === 'primary' ? ['db2', 'db3'].map((name) => slot({ name })) : [],
    standbys: role === 'primary' ? ['db2', 'db3'] : [],
    clock: { aheadMs: 3, uncertaintyMs: 1 },
    isPooled: false,
    ...given,
  };
}

export function slot(given: Partial<ServerFacts['slots'][number]>): ServerFacts['slots'][number] {
  return { name: 'db2', active: true, walStatus: 'reserved', retainedBytes: 0, ...given };
}

export function pooled(role: Role, given: Partial<AccountFacts> = {}): AccountFacts {
  return {
    user: role === 'primary' ? 'app' : 'reader',
    database: 'shop',
    role,
    tls: 'TLSv1.3',
    statementTimeoutMs: 30_000,
    idleInTransactionTimeoutMs: 60_000,
    powers: role === 'primary' ? ['it may create schemas'] : [],
    ...given,
  };
}

export function facts(config: Partial<ClusterConfig> = {}, given: Partial<Facts> = {}): Facts {
  const settings = loadSettings({ ...SOUND, ...config });
  return {
    settings,
    nodes: settings.nodes.map((node) => nodeFacts(node)),
    cores: 4,
    middleboxTimeoutMs: 350_000,
    metrics: { url: 'http://app:3000/metrics', status: 200, hasPoolSize: true },
    ...given,
  };
}

function nodeFacts(settings: NodeSettings): NodeFacts {
  const role = settings.configuredRole;
  const rights = { database: 'postgres', needed: [], useful: [] };
  return { settings, server: server(role), account: pooled(role), rights };
}

/** The same with one node replaced in part. */
export function withNode(base: Facts, name: string, change: Partial<NodeFacts>): Facts {
  sure(
    base.nodes.find(({ settings }) => settings.name === name),
    name,
  );
  return {
    ...base,
    nodes: base.nodes.map((node) => (node.settings.name === name ? { ...node, ...change } : node)),
  };
}
