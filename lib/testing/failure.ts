import { PgMcpError } from '../errors.js';

/** Every error of the embedded cluster is of one kind: it can't be caught apart, only read. */
export function failure(message: string, cause?: unknown): PgMcpError {
  return new PgMcpError('EMBEDDED_CLUSTER', message, { cause });
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
