import type { Role } from '../config/settings.js';
import type { RouteReason } from '../routing/route.js';

/** Why a call ran again: the label of `db_retries_total`. */
export type RetryReason = 'not-sent' | 'connection-lost' | 'recovery-conflict' | 'serialization';

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
}

/** Counts what the cluster did, from its start, whoever looks on. */
export class Tally {
  readonly #decisions = new Map<string, number>();
  readonly #retries = new Map<RetryReason, number>();
  readonly observers = new Set<ClusterObserver>();

  decided(target: Role, reason: RouteReason): void {
    const key = `${target} ${reason}`;
    this.#decisions.set(key, (this.#decisions.get(key) ?? 0) + 1);
  }

  retried(reason: RetryReason): void {
    this.#retries.set(reason, (this.#retries.get(reason) ?? 0) + 1);
  }

  get decisions(): readonly { readonly target: string; readonly reason: string; readonly count: number }[] {
    return [...this.#decisions].map(([key, count]) => {
      const [target = '', reason = ''] = key.split(' ');
      return { target, reason, count };
    });
  }

  get retries(): ReadonlyMap<RetryReason, number> {
    return new Map(this.#retries);
  }
}
