/** What went wrong, as a word that programs can compare. */
export type PgMcpErrorCode =
  | 'CONFIG_INVALID'
  | 'STARTUP_FAILED'
  | 'NOT_CONNECTED'
  | 'CLUSTER_CLOSED'
  | 'ACQUIRE_TIMEOUT'
  | 'CONNECT_FAILED'
  | 'CONNECTION_LOST'
  | 'NOT_REPLICATED'
  | 'NO_PRIMARY'
  | 'SPLIT_BRAIN'
  | 'NO_REPLICA'
  | 'CONSISTENCY_UNAVAILABLE'
  | 'SWITCHOVER_FAILED'
  | 'WRITE_ON_REPLICA'
  | 'SESSION_STATEMENT'
  | 'TRANSACTION_ENDED'
  | 'TRANSACTION_ABORTED'
  | 'LEASE_RELEASED'
  | 'BULK_INPUT'
  | 'NOT_WIRED'
  | 'EMBEDDED_CLUSTER';

export interface PgMcpErrorOptions {
  readonly cause?: unknown;
  /** True only where it is certain that the server did nothing, and the same call may succeed later. */
  readonly safeToRetry?: boolean;
  readonly reason?: string;
}

/** The base of every error this library makes. An SQL error of the server is passed on as `pg` throws it. */
export class PgMcpError extends Error {
  readonly code: PgMcpErrorCode;
  readonly safeToRetry: boolean;
  /** Of a refused statement: what it is, as `db_routing_decisions_total` and `explainRoute` word it. */
  readonly reason?: string;

  constructor(code: PgMcpErrorCode, message: string, options: PgMcpErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.safeToRetry = options.safeToRetry ?? false;
    if (options.reason !== undefined) this.reason = options.reason;
  }
}

/** One thing that is wrong in a configuration. */
export interface ConfigFault {
  /** Where it stands: `replicas[1].port`, or `db_cluster.json:12:5` for a fault of the syntax. */
  readonly path: string;
  /** What was found, what was expected, what to do. */
  readonly message: string;
}

/** The configuration can't be used. Carries every fault, not just the first. */
export class ConfigError extends PgMcpError {
  readonly faults: readonly ConfigFault[];

  constructor(source: string, faults: readonly ConfigFault[], options: PgMcpErrorOptions = {}) {
    const lines = faults.map((fault) => `  - ${fault.path === '' ? '' : `${fault.path}: `}${fault.message}`);
    super('CONFIG_INVALID', `${source} can't be used:\n${lines.join('\n')}`, options);
    this.faults = faults;
  }
}

/** Why one node can't serve. */
export interface NodeFault {
  readonly node: string;
  readonly reason: string;
}

/** No usable primary was found at start, after the set number of attempts. Names every node and its cause. */
export class StartupError extends PgMcpError {
  readonly nodes: readonly NodeFault[];

  constructor(message: string, nodes: readonly NodeFault[], options: PgMcpErrorOptions = {}) {
    super(
      'STARTUP_FAILED',
      [message, ...nodes.map((node) => `  - ${node.node}: ${node.reason}`)].join('\n'),
      options,
    );
    this.nodes = nodes;
  }
}

/** The connections of one pool at one moment. `total` = active + idle + those still connecting. */
export interface PoolCounts {
  readonly total: number;
  readonly active: number;
  readonly idle: number;
  readonly pending: number;
  readonly max: number;
}

/** No connection came free in time. `cause` is the last failure to connect, where there was one. */
export class AcquireTimeoutError extends PgMcpError {
  constructor(
    readonly node: string,
    readonly elapsedMs: number,
    readonly pool: PoolCounts,
    cause?: unknown,
    /** So many of the active connections are in a transaction in which nothing runs. */
    readonly idleInTransaction = 0,
  ) {
    const { max, total, active, idle, pending } = pool;
    const counts = `${active} active, ${idle} idle, ${total} open of ${max} allowed, ${pending} waiting`;
    const held =
      idleInTransaction === 0
        ? ''
        : `; in transactions in which nothing runs: ${idleInTransaction}. One may wait for this very call: within a transaction of an ORM use what that gives (its tx), or put transaction() around all of it, which then has one connection`;
    const last = cause === undefined ? '' : `; the last attempt to connect failed: ${describeError(cause)}`;
    super(
      'ACQUIRE_TIMEOUT',
      `no connection to ${node} came free within ${Math.round(elapsedMs)} ms (${counts})${held}${last}`,
      { cause, safeToRetry: true },
    );
  }
}

/** A new connection could not be opened. Nothing was sent. */
export class ConnectError extends PgMcpError {
  constructor(
    readonly node: string,
    cause: unknown,
  ) {
    super('CONNECT_FAILED', `can't connect to ${node}: ${describeError(cause)}`, {
      cause,
      safeToRetry: true,
    });
  }

  /** The server did not answer, or is starting up or shutting down; else it answered and refused. */
  get isUnreachable(): boolean {
    return isUnreachable(this.cause);
  }
}

/**
 * What became of what was under way: `unknown`, the server may have done it; `aborted`, its transaction was rolled back,
 * as the server has said since; `not-sent`, nothing of it got there.
 */
export type LossOutcome = 'unknown' | 'aborted' | 'not-sent';

const EFFECTS: Readonly<Record<LossOutcome, string>> = {
  unknown: 'the server may or may not have run the statement',
  aborted: 'the transaction was rolled back',
  'not-sent': 'the statement was not sent',
};

/** The connection broke under a statement. */
export class ConnectionLostError extends PgMcpError {
  constructor(
    readonly node: string,
    readonly outcome: LossOutcome,
    cause?: unknown,
  ) {
    super('CONNECTION_LOST', `the connection to ${node} was lost: ${EFFECTS[outcome]}`, {
      cause,
      safeToRetry: outcome !== 'unknown',
    });
  }
}

/** The primary has committed, but somebody ended its wait for a synchronous standby: a failover may lose it. */
export class NotReplicatedError extends PgMcpError {
  readonly outcome = 'unknown';

  constructor(
    readonly node: string,
    cause?: unknown,
  ) {
    super(
      'NOT_REPLICATED',
      `${node} has committed, but its wait for a synchronous standby was cancelled: after a failover it may not have happened`,
      { cause },
    );
  }
}

// Every SQLSTATE has a digit, which tells it from EPIPE.
const SQLSTATE = /^(?=.*\d)[0-9A-Z]{5}$/;
const NOT_ACCEPTING = /^57P0[123]$/;

/** False for an error by which a living server refuses (a wrong password, too many connections), or of our own files. */
export function isUnreachable(cause: unknown): boolean {
  if (cause instanceof ConfigError) return false;
  const code = codeOf(cause);
  return code === undefined || !SQLSTATE.test(code) || NOT_ACCEPTING.test(code);
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** The short text of a cause: the innermost codes and messages, without stacks or connection strings. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return describeError(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  const message = error.message === '' ? error.name : error.message;
  return code === undefined || error instanceof PgMcpError || message.includes(code)
    ? message
    : `${message} (${code})`;
}

export function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** Where the error of a server was made, its answer was read: in an `async` function this leads to who asked. */
export function leadToCaller(error: unknown): void {
  if (error instanceof Error && !(error instanceof PgMcpError)) Error.captureStackTrace(error);
}
