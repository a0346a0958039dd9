import { pgModule } from 'nestjs-pg-mcp/orm';
import pg from 'pg';
import { clusterOn } from '../ours.js';
import { firstReplica, type Account, type NodeAddress, type OpenWay, type Target, type Way } from '../way.js';

/** What an ORM connects by: a pool, or the module it makes its own of. */
export interface Backing {
  readonly pool: pg.Pool;
  readonly module: typeof pg;
  /** For what the module makes; that of a cluster knows where to connect. */
  readonly node: NodeAddress;
  /** Of the clients in a pool that the ORM keeps itself. */
  readonly maxClients: number;
}

export type Read = (id: number) => Promise<Account | null | undefined>;

/** An ORM on a backing: one row by its key, in the way its users write it. */
export type OpenOrm = (backing: Backing) => Promise<{ read: Read; close(): Promise<unknown> }>;

/** Clients of a cluster are light: callers need not wait for one. */
const LIGHT_CLIENTS = 100;

/** No connection is closed between two slices: opening is not what is compared. */
export const poolTo = (node: NodeAddress, { connections }: Pick<Target, 'connections'>): pg.Pool =>
  new pg.Pool({ ...node, max: connections, idleTimeoutMillis: 0 });

/** Over a bare pool to the replica. */
export const overPool =
  (open: OpenOrm): OpenWay =>
  async (target) => {
    const node = firstReplica(target);
    const pool = poolTo(node, target);
    const orm = await open({ pool, module: pg, node, maxClients: target.connections });
    return wayOf(orm, () => pool.end());
  };

/** Over the cluster. */
export const overCluster =
  (open: OpenOrm): OpenWay =>
  async (target) => {
    const cluster = clusterOn(target);
    await cluster.connect();
    const module = pgModule(cluster) as unknown as typeof pg;
    const { pool } = cluster;
    const orm = await open({ pool, module, node: target.primary, maxClients: LIGHT_CLIENTS });
    return wayOf(orm, () => cluster.close());
  };

export function wayOf(
  { read, close }: { read: Read; close?(): Promise<unknown> },
  closeBelow?: () => Promise<unknown>,
): Way {
  return {
    read: async (id) => (await read(id)) ?? undefined,
    close: async () => {
      await close?.();
      await closeBelow?.();
    },
  };
}
