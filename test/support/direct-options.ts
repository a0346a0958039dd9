import type { ConnectOptions } from '../../lib/pool/driver.js';
import type { FreshDatabase } from './cluster.js';
import { sure } from './sure.js';

/** With which the driver connects to the primary of a database by itself. */
export function directOptions({ config, name }: FreshDatabase, applicationName: string): ConnectOptions {
  const { host, port, user, password } = sure(config.masters[0]);
  return {
    node: 'node1',
    host,
    port,
    user,
    password,
    database: name,
    ssl: false,
    applicationName,
    connectionTimeoutMs: 5_000,
    readOnly: false,
  };
}
