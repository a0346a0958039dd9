/** What happened; the words are the same in events, log and callback. */
export type FailoverStep =
  /** The primary is gone: an unplanned failover is under way. */
  | 'primary-lost'
  /** A primary is in use (again): the failover is over. */
  | 'primary-found'
  /** `promote`: why no replica is promoted, or not yet. */
  | 'promotion-refused'
  | 'locks-taken'
  | 'cut-off'
  | 'candidate-chosen'
  | 'others-repointed'
  | 'promoted'
  /** What was done by halves is undone. */
  | 'backed-out'
  /** A writable node is kept out: it is on an older timeline. */
  | 'node-quarantined'
  /** It was made read-only, and its sessions ended. */
  | 'node-fenced'
  /** Two nodes are writable on one timeline: there are no writes until one of them is not. */
  | 'split-brain'
  | 'split-brain-resolved'
  /** A majority of the standbys streams from a primary on a lower timeline than was seen. */
  | 'lower-timeline-accepted'
  | 'switchover-began'
  | 'writes-held'
  | 'transactions-finished'
  | 'primary-demoted'
  | 'target-caught-up'
  | 'switchover-ended'
  | 'switchover-failed'
  /** The configured mode can't be had, as by rights that are missing: it follows. */
  | 'mode-reduced'
  /** Something an operator should know. */
  | 'warning';

/** One step, as the 'failover' event and `notificationCallback` get it. Fit for JSON. */
export interface FailoverEvent {
  readonly cluster: string;
  readonly step: FailoverStep;
  /** When, as an ISO text. */
  readonly at: string;
  /** Milliseconds since the failover or switchover began; 0 outside one. */
  readonly elapsedMs: number;
  /** The node it is about. */
  readonly node?: string;
  readonly detail?: string;
}

export type FailoverCallback = (event: FailoverEvent) => unknown;
