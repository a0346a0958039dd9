import type { ClusterFile } from './schema.js';

type Camel<Key> = Key extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : Key;

/** The same object with every key also in camelCase. */
type EitherSpelling<T> = { readonly [Key in keyof T as Key | Camel<Key>]: T[Key] };

type Section<Name extends keyof ClusterFile> = EitherSpelling<NonNullable<ClusterFile[Name]>>;

type InFile<List extends 'masters' | 'replicas'> = NonNullable<ClusterFile[List]>[number];
type Ssl = NonNullable<InFile<'masters'>['ssl']>;
type Plain = boolean | string;
type EitherSsl = Extract<Ssl, Plain> | EitherSpelling<Exclude<Ssl, Plain>>;
type Node<T> = Omit<T, 'ssl'> & { readonly ssl?: EitherSsl | undefined };

/** A node of `masters`: its address, its account, its database. Keys in snake_case or camelCase. */
export type MasterConfig = Node<InFile<'masters'>>;

/** A node of `replicas`. The account and the database default to the first master's. */
export type ReplicaConfig = Node<InFile<'replicas'>>;

interface Nodes {
  /** The nodes configured as primary, at least one: objects or `postgres://` URLs. Their account serves whichever node is primary. */
  readonly masters: readonly (MasterConfig | string)[];
  /** The nodes configured as replicas. Their account serves whichever nodes are replicas. */
  readonly replicas?: readonly (ReplicaConfig | string)[] | undefined;
}

type SectionName = Exclude<
  keyof ClusterFile,
  'masters' | 'replicas' | 'ssl' | '$schema' | `health_check_${string}`
>;

type Sections = EitherSpelling<{ [Name in SectionName]?: Section<Name> | undefined }>;

interface Keywords {
  /** TLS to every node, where a node does not say otherwise. */
  readonly ssl?: EitherSsl | undefined;
  /** The JSON Schema of a file; has no effect. */
  readonly $schema?: string | undefined;
  /** The original library's name for `healthCheck.timeout`. */
  readonly healthCheckTimeout?: ClusterFile['health_check_timeout'];
  /** The original library's name for `healthCheck.interval`. */
  readonly healthCheckInterval?: ClusterFile['health_check_interval'];
}

/**
 * A cluster's configuration: what `config/db_cluster.json` holds, with each key in snake_case, as in
 * the file, or in camelCase. Durations are strings with their unit (`'500ms'`) or numbers of
 * seconds; sizes are strings (`'16MiB'`) or numbers of bytes.
 */
export type ClusterConfig = Nodes & Sections & Keywords;

/** Settings over those of a file or of a `ClusterConfig`. `masters` and `replicas` replace theirs. */
export type ClusterOptions = Partial<Nodes> & Sections & Keywords;
