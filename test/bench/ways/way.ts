export interface NodeAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export type Balance = 'least-loaded' | 'random' | 'round-robin';

/** What a way is opened on. */
export interface Target {
  readonly primary: NodeAddress;
  readonly replicas: readonly NodeAddress[];
  readonly monitor: { readonly user: string; readonly password: string };
  /** A proxy in front of them. */
  readonly proxy?: NodeAddress;
  /** Connections to each node, at most. */
  readonly connections: number;
  /** How many texts the reads take in turn; one unless given. */
  readonly texts?: number;
  /** How many scopes the reads are nested in. */
  readonly depth?: number;
  /** How ours chooses one of several replicas; its default unless given. */
  readonly balance?: Balance;
}

export interface Account {
  readonly id: number;
}

/** A way to reach a primary and its replicas: what the benchmarks compare. */
export interface Way {
  /** One row of `account` by its key. */
  read(id: number): Promise<Account | undefined>;
  /** Inserts one row into `entry`. */
  write?(account: number): Promise<void>;
  /** Any read. */
  run?(text: string): Promise<unknown>;
  close(): Promise<void>;
}

export type OpenWay = (target: Target) => Promise<Way>;

/** For the ways that know one replica only. */
export function firstReplica({ replicas }: Target): NodeAddress {
  const [replica] = replicas;
  if (!replica) throw new Error('this way needs a replica');
  return replica;
}
