import type { Role } from '../config/settings.js';
import { codeOf, ConnectionLostError, PgMcpError } from '../errors.js';
import type { RetryReason } from './tally.js';

export interface FailedCall {
  /** It can't have written: it ran on a standby or in a READ ONLY transaction. */
  readonly isRead: boolean;
  readonly role: Role;
  /** Counts from 1. */
  readonly attempt: number;
}

const MOST_ATTEMPTS = 4;

/** Whether a statement that failed outside a transaction may run once more, and why. Pure. */
export function whyAgain(error: unknown, { isRead, role, attempt }: FailedCall): RetryReason | undefined {
  if (attempt >= MOST_ATTEMPTS) return undefined;
  if (error instanceof ConnectionLostError) {
    if (error.outcome === 'not-sent') return 'not-sent';
    // Once only: a read that kills its server must not kill them all.
    return isRead && attempt === 1 ? 'connection-lost' : undefined;
  }
  if (error instanceof PgMcpError) return undefined;
  // A standby cancels what holds up its replay (manual, section 26.4.2).
  return isRead && role === 'replica' && codeOf(error) === '40001' ? 'recovery-conflict' : undefined;
}
