import { describeError, PgMcpError } from '../errors.js';

export function badInput(message: string, cause?: unknown): PgMcpError {
  return new PgMcpError('BULK_INPUT', message, { cause });
}

/** @param row Counts from 1. */
export function badValue(row: number, column: string, cause: unknown): PgMcpError {
  return badInput(`row ${row}, column "${column}": ${describeError(cause)}`, cause);
}
