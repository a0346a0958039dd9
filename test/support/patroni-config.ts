import { join } from 'node:path';
import type { Credentials } from '../../lib/testing/database-roles.js';
import { SERVER_SETTINGS } from '../../lib/testing/server-settings.js';
import type { Certificate } from './certificate.js';

export interface PatroniPlace {
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  readonly apiPort: number;
  /** Of the REST API. */
  readonly certificate: Certificate;
}

export interface PatroniShared {
  readonly bin: string;
  readonly etcdPort: number;
  readonly authority: string;
  readonly api: Credentials;
  readonly superuser: Credentials;
  readonly replication: Credentials;
  readonly rewind: Credentials;
}

/** What Patroni sets itself, or each node for itself. */
const NOT_OURS = new Set(['listen_addresses', 'unix_socket_directories', 'wal_level', 'hot_standby']);

/** The configuration file of one node. JSON is YAML too. */
export function patroniConfig(place: PatroniPlace, shared: PatroniShared): string {
  const { name, folder, port, apiPort, certificate } = place;
  const account = ({ user, password }: Credentials) => ({ username: user, password });
  const parameters = Object.fromEntries(
    Object.entries(SERVER_SETTINGS).filter(([key]) => !NOT_OURS.has(key)),
  );
  return JSON.stringify({
    scope: 'pg-mcp',
    name,
    restapi: {
      listen: `127.0.0.1:${apiPort}`,
      connect_address: `127.0.0.1:${apiPort}`,
      certfile: certificate.certFile,
      keyfile: certificate.keyFile,
      authentication: account(shared.api),
    },
    // By which the nodes ask each other before one is promoted.
    ctl: { cacert: shared.authority },
    etcd3: { host: `127.0.0.1:${shared.etcdPort}` },
    bootstrap: {
      dcs: {
        ttl: 5,
        loop_wait: 1,
        retry_timeout: 2,
        synchronous_mode: true,
        postgresql: { use_pg_rewind: true, parameters },
      },
      initdb: ['no-locale', 'no-sync', { encoding: 'UTF8' }],
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      bin_dir: shared.bin,
      data_dir: join(folder, 'data'),
      pgpass: join(folder, 'pgpass'),
      authentication: {
        superuser: account(shared.superuser),
        replication: account(shared.replication),
        rewind: account(shared.rewind),
      },
      // One folder a node: PostgreSQL locks its socket by the port, and Patroni could take another's for its own.
      parameters: { unix_socket_directories: folder },
      pg_hba: ['host all all 127.0.0.1/32 scram-sha-256', 'host replication all 127.0.0.1/32 scram-sha-256'],
      basebackup: { checkpoint: 'fast' },
    },
  });
}
