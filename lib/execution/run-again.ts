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

export const MOST_ATTEMPTS = 4;

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

const READ_ONLY_TRANSACTION = '25006';
/** `object_not_in_prerequisite_state` and `feature_not_supported`: during recovery, and for much else. */
const PERHAPS_RECOVERY = new Set(['55000', '0A000']);
export const MAY_NOT = '42501';
/** The account may less there, or a definition has not been replayed yet. */
const DIFFERS = new Set([MAY_NOT, '42P01', '42703', '42883']);

/** What may commit along the way, or had already when it came to what was refused (manual, CALL, DO, CREATE INDEX). */
const MAY_HAVE_COMMITTED = /\b(call|do|commit|end|concurrently|vacuum)\b/i;

/** Whether a primary has refused a text as read-only, and surely has done nothing of it. Pure. */
export function isRefusedOnPrimary(error: unknown, text: string): boolean {
  if (codeOf(error) !== READ_ONLY_TRANSACTION || error instanceof PgMcpError) return false;
  return !MAY_HAVE_COMMITTED.test(text);
}

/** Whether a read that a replica has refused may succeed on the primary, and why. Nothing was done. Pure. */
export function whyOnPrimary(error: unknown): 'refused-on-standby' | 'replica-differs' | undefined {
  const code = codeOf(error);
  if (code === undefined || error instanceof PgMcpError) return undefined;
  if (DIFFERS.has(code)) return 'replica-differs';
  const isOfRecovery =
    PERHAPS_RECOVERY.has(code) && /recovery|standby/i.test(error instanceof Error ? error.message : '');
  return code === READ_ONLY_TRANSACTION || isOfRecovery ? 'refused-on-standby' : undefined;
}
