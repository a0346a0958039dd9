import { PgCluster } from '../cluster.js';
import { loadSettings } from '../config/index.js';

/**
 * The cluster of a file, only to look at: it keeps no connections, counts for none of the application's processes, and
 * promotes nobody.
 *
 * @throws ConfigError with every fault.
 */
export function observing(config: string): PgCluster {
  const settings = loadSettings(config);
  const { pool, failover } = settings;
  return new PgCluster({
    ...settings,
    pool: { ...pool, minConnections: 0, applicationName: `${pool.applicationName} cli` },
    startup: { attempts: 1, delayMs: 0 },
    failover: { ...failover, mode: failover.mode === 'promote' ? 'follow' : failover.mode },
  });
}
