import type { AlikeTexts } from '../../query.js';

/** Why a statement must run on the primary: the label of `db_routing_decisions_total`. */
export type PrimaryReason =
  /** INSERT, UPDATE, DELETE, MERGE, TRUNCATE, SELECT INTO, COPY FROM, REFRESH, also within a CTE. */
  | 'write'
  | 'ddl'
  /** VACUUM, ANALYZE, CHECKPOINT, REINDEX, CLUSTER, ALTER SYSTEM. */
  | 'maintenance'
  /** FOR UPDATE, FOR SHARE and their kin. */
  | 'row-lock'
  /** A function that writes, may write, or acts on the server. */
  | 'volatile-function'
  /** A built-in function that a standby refuses although it is not volatile. */
  | 'refused-on-standby'
  /** Takes numbers from a sequence, or reads its state, of which a standby has another. */
  | 'sequence'
  | 'advisory-lock'
  /** Reads or changes what belongs to one connection: `currval`, cursors, prepared statements, settings. */
  | 'session-state'
  /** Reads, or acts on, what each node has of its own: statistics, locks, slots, server files. */
  | 'node-state'
  /** Its answer depends on the account: the replicas' is another, and may see other rows. */
  | 'account'
  | 'unlogged-table'
  | 'temporary-table'
  | 'foreign-table'
  /** NOTIFY. */
  | 'notify'
  /** CALL of a procedure that does more than read. */
  | 'procedure'
  /** DO of a block that does more than read. */
  | 'code-block'
  /** COPY to a file or program of the server. */
  | 'server-file'
  /** COMMIT PREPARED, ROLLBACK PREPARED. */
  | 'prepared-transaction'
  /** A whole transaction in one text. */
  | 'transaction'
  /** The catalog does not know a name: after one refresh the answer may be another. */
  | 'unknown-name'
  | 'not-parsed'
  | 'too-long'
  | 'empty';

/** Why a statement needs a connection of its own. */
export type SessionReason =
  | 'transaction-control'
  | 'setting'
  | 'prepared-statement'
  | 'cursor'
  | 'listen'
  | 'temporary-object'
  | 'lock';

/** Something that keeps a statement from a replica. */
export type Obstacle =
  | {
      readonly kind: 'primary';
      readonly reason: PrimaryReason;
      /** What in the statement it is. */
      readonly detail: string;
      /** False where it is sure that nothing is written. */
      readonly writes: boolean;
    }
  | {
      readonly kind: 'session';
      readonly reason: SessionReason;
      readonly detail: string;
      /** What to use instead. */
      readonly remedy: string;
      /** Something else in the text writes, or may. */
      readonly writes?: boolean;
    };

/** What a text is to the router. */
export type StatementClass = (
  | {
      /** May run on a replica. */
      readonly kind: 'read';
      /** One SELECT, VALUES or TABLE: it answers with rows, and nothing of it runs after them. */
      readonly isQuery?: boolean;
      /** It may set something until the end of its transaction, which is to be its own. */
      readonly setsLocally?: boolean;
      /** Of which this is one. */
      readonly family?: AlikeTexts;
    }
  | Obstacle
) & {
  /** It may change what names mean: the catalog is to be read again after it. */
  readonly changesCatalog: boolean;
};

/** The obstacle that counts: what needs a session first, what is certain before what is unknown. */
export function strictest(obstacles: readonly Obstacle[]): Obstacle | undefined {
  let found: Obstacle | undefined;
  let writes = false;
  for (const obstacle of obstacles) {
    if (obstacle.kind === 'primary') writes ||= obstacle.writes;
    if (!found || rank(obstacle) > rank(found)) found = obstacle;
  }
  return found && writes && found.writes !== true ? { ...found, writes } : found;
}

/** Of several, what begins or ends a transaction is not to be missed. */
const BOUNDS = /^(BEGIN|START|COMMIT|ROLLBACK|PREPARE)$/;

function rank(obstacle: Obstacle): number {
  if (obstacle.kind === 'session')
    return obstacle.reason === 'transaction-control' && BOUNDS.test(obstacle.detail) ? 4 : 3;
  if (obstacle.reason === 'unknown-name') return 0;
  return obstacle.writes ? 2 : 1;
}
