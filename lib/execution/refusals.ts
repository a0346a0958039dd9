import { PgMcpError } from '../errors.js';
import type { StatementClass } from '../routing/statement/statement-class.js';

/** What needs a connection of its own, and has none. */
export function sessionStatement({
  reason,
  detail,
  remedy,
}: Extract<StatementClass, { kind: 'session' }>): PgMcpError {
  return new PgMcpError(
    'SESSION_STATEMENT',
    `${detail} would be lost: each call may run on another connection; ${remedy}`,
    { safeToRetry: true, reason },
  );
}

const SURELY_WRITES: ReadonlySet<string> = new Set(['write', 'ddl', 'row-lock']);

/**
 * What can't but write is not even sent in a replica scope; of the rest the server is the judge.
 *
 * @throws PgMcpError `WRITE_ON_REPLICA`.
 */
export function refuseWrite(found: StatementClass): void {
  if (found.kind !== 'primary' || !SURELY_WRITES.has(found.reason)) return;
  throw new PgMcpError(
    'WRITE_ON_REPLICA',
    `a read-only scope can't write: ${found.detail} (${found.reason}); use @UseMaster() or useMaster() for it`,
    { safeToRetry: true, reason: found.reason },
  );
}

/** What takes a connection out of its read-only mode: said outright, or by going back to how it began. */
const ESCAPES = /\bread\s+write\b|read_only\b|\b(reset|discard)\s+all\b/i;

/**
 * A connection that is held to reading stays so.
 *
 * @throws PgMcpError `WRITE_ON_REPLICA`.
 */
export function refuseEscape(found: StatementClass, text: string): void {
  const isOfSession =
    found.kind === 'session' || (found.kind === 'primary' && found.reason === 'session-state');
  if (!isOfSession || !ESCAPES.test(text)) return;
  throw new PgMcpError(
    'WRITE_ON_REPLICA',
    `a read-only scope stays read-only: ${found.detail} (${found.reason}); use @UseMaster() or useMaster()`,
    { safeToRetry: true, reason: found.reason },
  );
}

const ENDS_TRANSACTION = /^(BEGIN|START|COMMIT|ROLLBACK|PREPARE)$/;

/**
 * A transaction of `transaction()` is begun and ended by it alone.
 *
 * @throws PgMcpError `SESSION_STATEMENT`.
 */
export function refuseTransactionControl(found: StatementClass): void {
  const isControl = found.kind === 'session' && found.reason === 'transaction-control';
  const isWhole = found.kind === 'primary' && found.reason === 'transaction';
  if (!isWhole && !(isControl && ENDS_TRANSACTION.test(found.detail))) return;
  throw new PgMcpError(
    'SESSION_STATEMENT',
    `${found.detail} within transaction(): it commits when its function returns, and rolls back when it throws; nest transaction() for a savepoint`,
    { safeToRetry: true, reason: found.reason },
  );
}
