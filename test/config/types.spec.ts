import { expect, test } from 'vitest';
import type { ClusterConfig, ClusterOptions } from '../../lib/config/index.js';

// The compiler is what tests here: `npm run typecheck` fails where a line compiles that must not.
const accepted = [
  { masters: [{ host: 'db1', user: 'app', database: 'shop' }] },
  { masters: ['postgres://app@db1/shop'], replicas: ['postgres://db2', { host: 'db3' }] },
  { masters: ['${DATABASE_URL}'], replicas: [], connection_pool: { min_connections: 3, idle_timeout: 180 } },
  {
    masters: [],
    connectionPool: { minConnections: 3, idleTimeout: '3min' },
    routing: { maxLagBytes: '1MiB' },
  },
  {
    $schema: './db_cluster.schema.json',
    masters: [],
    monitor: { user: 'watch', password: async () => 'token' },
  },
  { masters: [{ host: 'a', user: 'b', database: 'c', ssl: { rejectUnauthorized: false, ca: ['x'] } }] },
] as const satisfies ClusterConfig[];

const overriding = [
  {},
  { connectionPool: { minConnections: 3 } },
  { healthCheck: { interval: '250ms' }, health_check: { timeout: 2 } },
  { healthCheckTimeout: 5, healthCheckInterval: 30 },
  { routing: { default: 'primary', balance: 'weighted' } },
] satisfies ClusterOptions[];

const refused = [
  // @ts-expect-error masters are missing
  {},
  // @ts-expect-error a master needs a database
  { masters: [{ host: 'db1', user: 'app' }] },
  // @ts-expect-error no such section
  { masters: [], conection_pool: {} },
  // @ts-expect-error no such key
  { masters: [], connectionPool: { minConnection: 3 } },
  // @ts-expect-error no such choice
  { masters: [], routing: { balance: 'fair' } },
  // @ts-expect-error no such consistency
  { masters: [], consistency: 'none' },
] satisfies ClusterConfig[];

test('the types are those of the file, in either spelling', () => {
  expect([accepted, overriding, refused].map(({ length }) => length)).toEqual([6, 5, 6]);
});
