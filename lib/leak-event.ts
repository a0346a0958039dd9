import { formatDuration } from './duration.js';

export const LEAK_KINDS = ['lease', 'client', 'transaction', 'session', 'stream'] as const;

/** Who keeps a connection: a lease, a client of `cluster.pool`, or a call that gives it back at its own end. */
export type LeakKind = (typeof LEAK_KINDS)[number];

/** What has become of it. */
export type LeakState =
  /** It is held past the threshold. Told once. */
  | 'held'
  /** The same, with `leak_detection.action: 'destroy'`: the connection was cut. */
  | 'destroyed'
  /** One that was told of as held has been given back. */
  | 'recovered'
  /** Nobody can give it back any more, since the lease was garbage-collected: the pool has it again. */
  | 'collected'
  /** Still held when the cluster was closed, or the process ended. */
  | 'open';

/** A connection that was not given back, as the 'leak' event tells it. Fit for JSON. */
export interface LeakEvent {
  readonly cluster: string;
  readonly state: LeakState;
  readonly kind: LeakKind;
  /** When, as an ISO text. */
  readonly at: string;
  /** How long the connection has been held. */
  readonly heldMs: number;
  readonly node: string;
  readonly role: 'primary' | 'replica';
  readonly transactionStatus: 'idle' | 'in-transaction' | 'failed';
  /** The last statement that was sent, without its values; not what was sent by the lease's `client`. */
  readonly lastStatement?: string;
  /** The decorated method it was taken in: `OrdersService.create`. */
  readonly method?: string;
  /** Of the HTTP request it was taken in. */
  readonly requestId?: string;
  /** The calls that took it, the innermost first, as an error's stack has them; not of more than 500 in a second. */
  readonly stack?: string;
}

const WHO: Readonly<Record<LeakKind, string>> = {
  lease: 'a lease',
  client: 'a client of cluster.pool',
  transaction: 'a transaction',
  session: 'a scope with session: true',
  stream: 'a stream or COPY',
};

/** For a log: what is wrong in one line, and below it the stack. */
export function describeLeak(event: LeakEvent): string {
  const { cluster, kind, node, role, method, requestId, lastStatement, transactionStatus, stack } = event;
  const facts = [
    method !== undefined && `in ${method}`,
    requestId !== undefined && `request ${requestId}`,
    transactionStatus === 'in-transaction' && 'its transaction is open',
    transactionStatus === 'failed' && 'its transaction has failed',
    lastStatement !== undefined && `last statement: ${lastStatement}`,
  ].filter((fact) => fact !== false);
  const head = `${cluster}: ${WHO[kind]} on ${node} (${role}) ${whatBecame(event)}`;
  return `${[head, ...facts].join('; ')}${stack ? `\n${stack}` : ''}`;
}

function whatBecame({ state, heldMs }: LeakEvent): string {
  const held = formatDuration(heldMs);
  switch (state) {
    case 'held':
      return `has been held for ${held}`;
    case 'destroyed':
      return `was held for ${held}, and its connection was cut`;
    case 'recovered':
      return `was given back, after ${held}`;
    case 'collected':
      return `was dropped without release() and collected as garbage, after ${held}; its connection is the pool's again`;
    case 'open':
      return `is still held at the end, after ${held}`;
  }
}
