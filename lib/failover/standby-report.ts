import type { Lsn } from '../lsn.js';

/** What a node says of itself in the session that holds its lock. */
export interface StandbyReport {
  readonly node: string;
  readonly isStandby: boolean;
  /** The newest timeline of the log that it has, where it was asked for. */
  readonly timeline?: number;
  /** The greater of received and replayed. */
  readonly lsn: Lsn;
  /** Where a contender has sent it, in the failover off which timeline; `to` nobody: cut off. */
  readonly sent?: { readonly timeline: number; readonly to?: string };
  /** The node that it was set up to follow, where that is plain to see. */
  readonly origin?: string;
  readonly receiver?: {
    readonly isStreaming: boolean;
    readonly timeline?: number;
    /** The node it hears, where that is known. */
    readonly from?: string;
    /** By its own clock. */
    readonly heardMsAgo: number;
  };
  /** `wal_receiver_timeout`; 0 for none. */
  readonly receiverTimeoutMs: number;
}

/** For the way of a ping and its answer. */
const PING_MS = 500;

/**
 * Whether messages still come in. A receiver that hears nothing asks for an answer after half of its timeout
 * (`WalReceiverMain` in PostgreSQL's source), so whoever lives was heard not much longer ago than that. One into
 * the void says `streaming` until the whole of it has passed.
 */
export function isHearing({ receiver, receiverTimeoutMs }: StandbyReport): boolean {
  if (receiver?.isStreaming !== true) return false;
  return receiverTimeoutMs === 0 || receiver.heardMsAgo <= receiverTimeoutMs / 2 + PING_MS;
}
