import { FakeDriver, ManualClock } from 'nestjs-pg-mcp/testing';
import type { PoolSettings } from '../../lib/config/settings.js';
import type { FakeConnection } from '../../lib/testing/fake-driver.js';
import { NodePool } from '../../lib/pool/node-pool.js';
import type { PooledConnection } from '../../lib/pool/pooled-connection.js';

const SETTINGS: PoolSettings = {
  minConnections: 0,
  maxConnections: 5,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 1_800_000,
  acquireTimeoutMs: 5_000,
  connectionTimeoutMs: 3_000,
  keepaliveIntervalMs: 600_000,
  applicationName: 'test',
  prepare: true,
  statementTimeoutMs: 0,
};

export interface PoolUnderTest {
  readonly pool: NodePool;
  readonly driver: FakeDriver;
  readonly clock: ManualClock;
  /** What the pool told its listener. */
  readonly told: string[];
  /** Lets what was set off in promises finish; no time passes. */
  settle(): Promise<void>;
}

export function poolUnderTest(
  settings: Partial<PoolSettings> = {},
  { random = () => 0 }: { random?: () => number } = {},
): PoolUnderTest {
  const driver = new FakeDriver();
  const clock = new ManualClock();
  const told: string[] = [];
  const merged = { ...SETTINGS, ...settings };
  const pool = new NodePool({
    node: 'node1',
    settings: merged,
    driver,
    clock,
    random,
    listener: {
      lost: (cause) => told.push(`lost: ${cause.message}`),
      connectFailed: (cause) => told.push(`connect failed: ${String(cause)}`),
      role: (standby) => told.push(`standby: ${standby}`),
    },
    connectOptions: () => ({
      node: 'node1',
      host: 'db',
      port: 5432,
      database: 'app',
      user: 'app',
      ssl: false,
      applicationName: merged.applicationName,
      connectionTimeoutMs: merged.connectionTimeoutMs,
      readOnly: false,
    }),
  });
  return { pool, driver, clock, told, settle: () => clock.advance(0) };
}

/** The fake below a pooled connection. */
export function fakeOf(connection: PooledConnection): FakeConnection {
  return connection.driver as FakeConnection;
}

/** Follows a promise without awaiting it. */
export function outcomeOf<T>(promise: Promise<T>): { value?: T; error?: unknown; isSettled: boolean } {
  const outcome: { value?: T; error?: unknown; isSettled: boolean } = { isSettled: false };
  promise.then(
    (value) => Object.assign(outcome, { value, isSettled: true }),
    (error: unknown) => Object.assign(outcome, { error, isSettled: true }),
  );
  return outcome;
}

export async function acquireMany(pool: NodePool, count: number): Promise<PooledConnection[]> {
  return Promise.all(Array.from({ length: count }, () => pool.acquire()));
}
