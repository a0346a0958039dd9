import type { NodeState, Topology } from '../topology/topology.js';
import { nodeOf } from '../topology/topology.js';
import type { EngineParts, FailoverEngine } from './engine.js';
import type { FailoverUnderWay } from './journal.js';
import { PatroniEngine } from './patroni.js';
import { Promoter } from './promoter.js';
import { stepsBetween, type Step } from './steps.js';
import { switchover, type SwitchoverParts } from './switchover.js';

export type FailoverParts = Omit<SwitchoverParts, 'engine' | 'signal'>;

/** Follows the primary, whoever made it one, and tells of it; the mode's engine does what goes beyond. */
export class Failover {
  readonly #parts: FailoverParts;
  readonly #engine: FailoverEngine | undefined;
  /** When the primary of the moment was first in trouble. */
  #shakenAt: number | undefined;
  #lost: string | undefined;
  #hasHadPrimary = false;
  readonly #closing = new AbortController();
  readonly #switching = new Set<Promise<void>>();

  constructor(parts: FailoverParts) {
    this.#parts = parts;
    this.#engine = engineFor(parts);
  }

  get underWay(): FailoverUnderWay | undefined {
    return this.#parts.journal.underWay;
  }

  async start(): Promise<void> {
    await this.#engine?.start();
  }

  /** Every new topology. */
  changed(next: Topology, previous: Topology): void {
    const { clock } = this.#parts;
    const primary = next.primary === undefined ? undefined : nodeOf(next, next.primary);
    if (primary) this.#shakenAt = isShaken(primary) ? (this.#shakenAt ?? clock.now()) : undefined;
    for (const step of stepsBetween(previous, next)) this.#tell(step, previous.primary);
    this.#hasHadPrimary ||= primary !== undefined;
    this.#engine?.changed(next, previous);
  }

  /** @throws PgMcpError `SWITCHOVER_FAILED` */
  async switchover(target: string | undefined): Promise<void> {
    const { signal } = this.#closing;
    const work = switchover(target, { ...this.#parts, engine: this.#engine, signal });
    const settled = work.catch(() => {}).finally(() => this.#switching.delete(settled));
    this.#switching.add(settled);
    await work;
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    // The engine's part in a switchover ends with the engine.
    await Promise.all([...this.#switching, this.#engine?.stop()]);
  }

  #tell({ step, ...facts }: Step, before: string | undefined): void {
    const { journal, clock } = this.#parts;
    if (step === 'primary-lost') {
      this.#lost = facts.node;
      journal.began('failover', step, facts, this.#shakenAt ?? clock.now());
    } else if (step === 'primary-found' && journal.underWay?.kind !== 'switchover') {
      // The first one of all ends nothing.
      if (!this.#hasHadPrimary) return;
      const isTheSame = facts.node === (before ?? this.#lost);
      // The new one may be seen before the old one is missed.
      if (!journal.underWay)
        journal.began('failover', 'primary-lost', before === undefined ? {} : { node: before });
      journal.promoted(facts);
      const outcome = journal.isPromoting ? 'promoted' : 'followed';
      journal.ended(isTheSame ? 'same-primary' : outcome, step, facts);
    } else journal.tell(step, facts);
  }
}

function isShaken({ health }: NodeState): boolean {
  return health !== 'up';
}

function engineFor(parts: EngineParts): FailoverEngine | undefined {
  switch (parts.settings.failover.mode) {
    case 'follow':
      return undefined;
    case 'promote':
      return new Promoter(parts);
    case 'patroni':
      return new PatroniEngine(parts);
  }
}
