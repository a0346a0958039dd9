import type { Lsn } from '../lsn.js';
import type { Leader } from './leader.js';

/**
 * What a standby says of its WAL receiver (manual, section 27.2.4): `connected` where the account may not
 * see more (it lacks `pg_monitor`), `none` without one, else the status as the server words it.
 */
export type ReceiverState =
  'none' | 'connected' | 'streaming' | 'waiting' | 'starting' | 'stopping' | 'restarting';

/** What one probe learned from a node. What an account may not see, or a service hides, is undefined. */
export interface NodeFacts {
  readonly inRecovery: boolean;
  /** Primary only: `default_transaction_read_only` is on, as on one that was fenced. */
  readonly isReadOnly?: boolean;
  readonly systemId?: string;
  /** On a primary read off the name of its WAL file, on a standby the one it receives. */
  readonly timeline?: number;
  /** Standby only: the timeline it replays, as far as it can be known: the last that was written down, without a receiver. */
  readonly replayTimeline?: number;
  /** `pg_postmaster_start_time()`, in seconds: positions count only for the server process they came from. */
  readonly serverStartedAt?: string;
  /** Primary only: where the next record goes, taken back to the end of the last one. */
  readonly insertLsn?: Lsn;
  /** Primary only, until it restarts: where it left the timeline before, when it was promoted. */
  readonly forkLsn?: Lsn;
  /** Standby only. */
  readonly receivedLsn?: Lsn;
  readonly replayedLsn?: Lsn;
  readonly isReplayPaused?: boolean;
  readonly receiver?: ReceiverState;
  /** Where it receives from, as it was told to: a name or an address. */
  readonly sender?: { readonly host: string; readonly port: number };
}

/** Something that was seen or heard of one node. Times are milliseconds of the clock. */
export type Observation =
  | {
      readonly kind: 'probed';
      readonly node: string;
      readonly startedAt: number;
      readonly endedAt: number;
      readonly facts: NodeFacts;
    }
  /** A probe got no answer. */
  | {
      readonly kind: 'probe-failed';
      readonly node: string;
      readonly startedAt: number;
      readonly at: number;
      readonly cause: string;
    }
  /** A pooled connection broke or could not be opened. */
  | { readonly kind: 'connection-failed'; readonly node: string; readonly at: number; readonly cause: string }
  /** A pooled connection said what the server has become. */
  | {
      readonly kind: 'role-reported';
      readonly node: string;
      readonly at: number;
      readonly inRecovery: boolean;
    }
  /** A consensus store says who leads; undefined: that can't be known now. */
  | {
      readonly kind: 'leader-told';
      readonly node: string | undefined;
      readonly at: number;
      readonly leader: Leader | undefined;
    };

/** A receiver that waits or starts over gets nothing: its standby may have been left behind on an old timeline. */
export function isReceiving(facts: NodeFacts): boolean {
  return facts.receiver === 'streaming' || facts.receiver === 'connected';
}
/** One that a node itself was seen by. */
export type NodeObservation = Exclude<Observation, { kind: 'leader-told' }>;
