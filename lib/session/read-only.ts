import { PgMcpError } from '../errors.js';
import type { QueryResult, Row, Statement } from '../query.js';
import type { Borrowed } from './borrowed.js';

const READ_ONLY_TRANSACTION = '25006';

/** Runs a statement so that the server refuses it if it writes, on a connection that could write. */
export async function queryReadOnly<R = Row>(
  borrowed: Borrowed,
  statement: Statement,
): Promise<QueryResult<R>> {
  await borrowed.query({ text: 'BEGIN READ ONLY' });
  return enclose(borrowed, statement, 'COMMIT', 'ROLLBACK');
}

/**
 * The same within a transaction that may write. A subtransaction can be read-only by itself, and its end
 * takes the outer mode back (manual, SET TRANSACTION); a refused statement does not harm the outer one.
 */
export async function queryReadOnlyWithin<R = Row>(
  borrowed: Borrowed,
  statement: Statement,
): Promise<QueryResult<R>> {
  await borrowed.query({ text: 'SAVEPOINT pg_mcp_read; SET TRANSACTION READ ONLY' });
  return enclose(
    borrowed,
    statement,
    'RELEASE SAVEPOINT pg_mcp_read',
    'ROLLBACK TO SAVEPOINT pg_mcp_read; RELEASE SAVEPOINT pg_mcp_read',
  );
}

async function enclose<R>(
  borrowed: Borrowed,
  statement: Statement,
  end: string,
  undo: string,
): Promise<QueryResult<R>> {
  let result: QueryResult<R>;
  try {
    // By the extended protocol, so that no text can end the read-only block and go on behind it.
    result = await borrowed.query<R>({ ...statement, queryMode: 'extended' });
  } catch (error) {
    // The first error is the one to tell; a connection that can't even undo is destroyed at release.
    await borrowed.query({ text: undo }).catch(() => {});
    throw error;
  }
  await borrowed.query({ text: end });
  return result;
}

export function isReadOnlyRefusal(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === READ_ONLY_TRANSACTION;
}

/** What the caller of a replica scope gets where the server refused a write. Other errors pass as they are. */
export function explainRefusedWrite(error: unknown, node: string): unknown {
  if (!isReadOnlyRefusal(error)) return error;
  return new PgMcpError(
    'WRITE_ON_REPLICA',
    `a read-only scope can't write: ${error.message} (on ${node}); use @UseMaster() or useMaster() for it`,
    { cause: error, reason: 'refused-on-standby' },
  );
}
