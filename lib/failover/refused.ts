import { PgMcpError } from '../errors.js';

/** A switchover that is not done, and why. */
export function refused(why: string, cause?: unknown): PgMcpError {
  return new PgMcpError('SWITCHOVER_FAILED', `no switchover: ${why}`, { cause, safeToRetry: true });
}
