import type { Credentials, DatabaseRoles } from './database-roles.js';

/** A node as `db_cluster.json` names it. */
export interface EmbeddedNodeEntry extends Credentials {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/** A cluster configuration in the shape of `db_cluster.json`: plain data. */
export interface EmbeddedClusterConfig {
  readonly masters: EmbeddedNodeEntry[];
  readonly replicas: EmbeddedNodeEntry[];
  readonly monitor: Credentials;
}

type Address = Pick<EmbeddedNodeEntry, 'name' | 'host' | 'port'>;

export function clusterConfig(
  primary: Address,
  others: readonly Address[],
  { roles, database }: { roles: DatabaseRoles; database: string },
): EmbeddedClusterConfig {
  const entry = ({ name, host, port }: Address, account: Credentials): EmbeddedNodeEntry => {
    return { name, host, port, ...account, database };
  };
  return {
    masters: [entry(primary, roles.app)],
    replicas: others.map((node) => entry(node, roles.readOnly)),
    monitor: { ...roles.monitor },
  };
}
