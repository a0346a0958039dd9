import { READ } from '../harness/schema.js';
import { clusterOn } from './ours.js';
import type { Account, OpenWay } from './way.js';

const openWith =
  (threshold: string): OpenWay =>
  async (target) => {
    const cluster = clusterOn(target, { leakDetection: { threshold } });
    await cluster.connect();
    return {
      read: async (id) => {
        await using lease = await cluster.getReplicaConnection();
        const { rows } = await lease.query<Account>(READ, [id]);
        return rows[0];
      },
      close: () => cluster.close(),
    };
  };

/** A lease for each read. */
export const openLeases = openWith('0s');
/** The same, watched by leak detection. */
export const openWatchedLeases = openWith('30s');
