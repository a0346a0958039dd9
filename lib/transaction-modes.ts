import { PgMcpError } from './errors.js';

export type IsolationLevel = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';

/** How a transaction runs (manual, SET TRANSACTION). */
export interface TransactionModes {
  /** Manual, section 13.2. Default: the server's (`read committed`). */
  readonly isolation?: IsolationLevel | undefined;
  readonly readOnly?: boolean | undefined;
  /** Only with `serializable` and `readOnly`: waits for a snapshot that can't fail. */
  readonly deferrable?: boolean | undefined;
}

/** PostgreSQL treats the first two alike. */
const STRENGTH: Readonly<Record<IsolationLevel, number>> = {
  'read uncommitted': 1,
  'read committed': 1,
  'repeatable read': 2,
  serializable: 3,
};

/** @throws TypeError for an isolation level that is none. */
export function checkIsolation(isolation: IsolationLevel | undefined): void {
  if (isolation === undefined || Object.hasOwn(STRENGTH, isolation)) return;
  throw new TypeError(
    `no isolation level: ${JSON.stringify(isolation)} (one of: ${Object.keys(STRENGTH).join(', ')})`,
  );
}

/**
 * A block has what the transaction around it was begun with: it joins where that is what it asks for, or more.
 *
 * @throws PgMcpError `SESSION_STATEMENT` where it asks for what that has not.
 */
export function refuseMisfit(outer: TransactionModes, inner: TransactionModes): void {
  checkIsolation(inner.isolation);
  const [asked, found] = misfitOf(outer, inner) ?? [];
  if (asked === undefined) return;
  throw new PgMcpError(
    'SESSION_STATEMENT',
    `${asked} within a transaction() that is ${found}: a savepoint has what the transaction around it was begun with; give that ${asked}, as an option of the outermost transaction()`,
    { safeToRetry: true, reason: 'transaction-control' },
  );
}

/** What is asked for, and what is there instead. Unless it was said, a transaction is taken for READ COMMITTED. */
function misfitOf(outer: TransactionModes, inner: TransactionModes): readonly [string, string] | undefined {
  const { isolation: has = 'read committed' } = outer;
  const { isolation: asked = has } = inner;
  if (STRENGTH[asked] > STRENGTH[has]) return [`isolation: '${asked}'`, has];
  if (inner.readOnly === false && outer.readOnly === true) return ['readOnly: false', 'read-only'];
  // The server passes over it anywhere else.
  const defers = inner.deferrable === true && asked === 'serializable' && inner.readOnly === true;
  const isDeferred = outer.deferrable === true && outer.readOnly === true;
  return defers && !isDeferred ? ['deferrable: true', 'not deferrable'] : undefined;
}
