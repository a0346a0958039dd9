import type { NodeState, Topology } from '../topology/topology.js';
import { nodeOf } from '../topology/topology.js';
import type { EngineParts, FailoverEngine } from './engine.js';
import { Promoter } from './promoter.js';
import { stepsBetween, type Step } from './steps.js';

/** Follows the primary, whoever made it one, and tells of it; the mode's engine does what goes beyond. */
export class Failover {
  readonly #parts: EngineParts;
  readonly #engine: FailoverEngine | undefined;
  /** When the primary of the moment was first in trouble. */
  #shakenAt: number | undefined;
  #lost: string | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#engine = engineFor(parts);
  }

  async start(): Promise<void> {
    await this.#engine?.start();
  }

  /** Every new topology. */
  changed(next: Topology, previous: Topology): void {
    const { clock } = this.#parts;
    const primary = next.primary === undefined ? undefined : nodeOf(next, next.primary);
    if (primary) this.#shakenAt = isShaken(primary) ? (this.#shakenAt ?? clock.now()) : undefined;
    for (const step of stepsBetween(previous, next)) this.#tell(step);
    this.#engine?.changed(next, previous);
  }

  async stop(): Promise<void> {
    await this.#engine?.stop();
  }

  #tell({ step, ...facts }: Step): void {
    const { journal, clock } = this.#parts;
    if (step === 'primary-lost') {
      this.#lost = facts.node;
      journal.began('failover', step, facts, this.#shakenAt ?? clock.now());
    } else if (step === 'primary-found' && journal.underWay?.kind === 'failover') {
      journal.ended(facts.node === this.#lost ? 'same-primary' : 'followed', step, facts);
    } else journal.tell(step, facts);
  }
}

function isShaken({ health }: NodeState): boolean {
  return health !== 'up';
}

function engineFor(parts: EngineParts): FailoverEngine | undefined {
  switch (parts.settings.failover.mode) {
    case 'promote':
      return new Promoter(parts);
    case 'follow':
    case 'patroni':
      return undefined;
  }
}
