import type { Role } from '../config/settings.js';
import type { FailoverOutcome } from '../failover/journal.js';
import { LEAK_KINDS, type LeakKind } from '../leak-event.js';
import type { RouteReason } from '../routing/route.js';

/** Why a call ran again: the label of `db_retries_total`. */
export type RetryReason =
  | 'not-sent'
  | 'connection-lost'
  /** It waited on a shared connection behind a call that took long. */
  | 'held-up'
  | 'recovery-conflict'
  | 'serialization'
  | 'refused-on-standby'
  /** The primary had become a standby, or was fenced. */
  | 'refused-on-primary'
  | 'replica-differs';

/** Why a session's token counted for nothing. */
export type IgnoredToken = 'invalid' | 'other-system' | 'forked';

/** Where someone may look on. Called for each event, so what it does must be cheap; times are seconds. */
export interface ClusterObserver {
  queryEnded?(event: {
    readonly node: string;
    readonly role: Role;
    readonly seconds: number;
    readonly error?: unknown;
  }): void;
  acquired?(event: {
    readonly node: string;
    readonly role: Role;
    readonly seconds: number;
    readonly error?: unknown;
  }): void;
  /** A failover or switchover is over. */
  failoverEnded?(event: { readonly outcome: FailoverOutcome; readonly seconds: number }): void;
}

/** Counts what the cluster did, from its start, whoever looks on. */
export class Tally {
  readonly #decisions: Record<Role, Map<RouteReason, number>> = { primary: new Map(), replica: new Map() };
  readonly #retries = new Map<RetryReason, number>();
  readonly #failovers = new Map<FailoverOutcome, number>();
  readonly #ignoredTokens = new Map<IgnoredToken, number>();
  readonly #leaks = new Map<LeakKind, number>(LEAK_KINDS.map((kind) => [kind, 0]));
  readonly observers = new Set<ClusterObserver>();

  decided(target: Role, reason: RouteReason): void {
    const counts = this.#decisions[target];
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }

  retried(reason: RetryReason): void {
    this.#retries.set(reason, (this.#retries.get(reason) ?? 0) + 1);
  }

  leaked(kind: LeakKind): void {
    this.#leaks.set(kind, (this.#leaks.get(kind) ?? 0) + 1);
  }

  get leaks(): ReadonlyMap<LeakKind, number> {
    return new Map(this.#leaks);
  }

  /** Tells who looks on; who is in a hurry asks first whether anybody does. */
  queryEnded(node: string, role: Role, elapsedMs: number, error?: unknown): void {
    const event = { node, role, seconds: elapsedMs / 1_000, ...(error !== undefined && { error }) };
    for (const observer of this.observers) observer.queryEnded?.(event);
  }

  failoverEnded(outcome: FailoverOutcome, elapsedMs: number): void {
    this.#failovers.set(outcome, (this.#failovers.get(outcome) ?? 0) + 1);
    for (const observer of this.observers) observer.failoverEnded?.({ outcome, seconds: elapsedMs / 1_000 });
  }

  get failovers(): ReadonlyMap<FailoverOutcome, number> {
    return new Map(this.#failovers);
  }

  ignoredToken(reason: IgnoredToken): void {
    this.#ignoredTokens.set(reason, (this.#ignoredTokens.get(reason) ?? 0) + 1);
  }

  get ignoredTokens(): ReadonlyMap<IgnoredToken, number> {
    return new Map(this.#ignoredTokens);
  }

  get decisions(): readonly { readonly target: string; readonly reason: string; readonly count: number }[] {
    return (['primary', 'replica'] as const).flatMap((target) =>
      [...this.#decisions[target]].map(([reason, count]) => ({ target, reason, count })),
    );
  }

  get retries(): ReadonlyMap<RetryReason, number> {
    return new Map(this.#retries);
  }
}
