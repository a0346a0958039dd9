/** What one slice of time gave for one way. */
export interface Figures {
  readonly calls: number;
  readonly perSecond: number;
  /** Microseconds of CPU time of the client's process for a call; unknown where the client is no process of ours. */
  readonly cpu?: number;
  /** Milliseconds. */
  readonly p50?: number;
  readonly p99?: number;
  readonly max?: number;
  /** Milliseconds that the call aside took, where one was asked for. */
  readonly aside?: number;
}

/** What a slice is to do. */
export interface Slice {
  readonly work: 'read' | 'write';
  readonly callers: number;
  readonly ms: number;
  /** Time before the slice in which the callers call already and nothing counts: connections, caches, garbage. */
  readonly leadMs: number;
  /** A text to run once beside the callers. */
  readonly aside?: string;
}
