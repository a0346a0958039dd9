import type { Clock } from '../clock.js';
import type { FailoverEvent, FailoverStep } from '../failover-event.js';

export type FailoverKind = 'failover' | 'switchover';
export type FailoverOutcome = 'promoted' | 'followed' | 'same-primary' | 'switched' | 'failed';

/** What the health page says while one is under way. Fit for JSON. */
export interface FailoverUnderWay {
  readonly kind: FailoverKind;
  /** The last step. */
  readonly step: FailoverStep;
  readonly elapsedMs: number;
}

export interface StepFacts {
  readonly node?: string;
  readonly detail?: string;
}

export interface JournalParts {
  readonly cluster: string;
  readonly clock: Clock;
  /** Tells whoever listens. Must not throw. */
  readonly emit: (event: FailoverEvent) => void;
  /** Told how long one took, in milliseconds. */
  readonly ended: (outcome: FailoverOutcome, elapsedMs: number) => void;
}

/** Tells every step to whoever listens, and keeps what is under way. */
export class Journal {
  readonly #parts: JournalParts;
  #current:
    | { readonly kind: FailoverKind; readonly beganAt: number; step: FailoverStep; isPromoting: boolean }
    | undefined;
  /** The node that this process has asked to be the primary, until it is told whether it is. */
  #asked: string | undefined;

  constructor(parts: JournalParts) {
    this.#parts = parts;
  }

  get underWay(): FailoverUnderWay | undefined {
    const current = this.#current;
    return current && { kind: current.kind, step: current.step, elapsedMs: this.#elapsed() };
  }

  /** This process has asked a node to be the primary, in what is under way. */
  get isPromoting(): boolean {
    return this.#current?.isPromoting === true;
  }

  promotes(node: string): void {
    this.#asked = node;
    if (this.#current) this.#current.isPromoting = true;
  }

  /** Of the node that was asked: told once, by whoever sees it first, the session that asked or a probe. */
  promoted(facts: StepFacts): void {
    if (this.#asked === undefined || this.#asked !== facts.node) return;
    this.#asked = undefined;
    this.tell('promoted', facts);
  }

  /** What was asked came to nothing, as far as is known. */
  notPromoted(): void {
    this.#asked = undefined;
  }

  /** @param beganAt Of the clock; a failover began when the primary was first in trouble. */
  began(
    kind: FailoverKind,
    step: FailoverStep,
    facts: StepFacts = {},
    beganAt = this.#parts.clock.now(),
  ): void {
    this.#current ??= { kind, beganAt, step, isPromoting: false };
    this.tell(step, facts);
  }

  ended(outcome: FailoverOutcome, step: FailoverStep, facts: StepFacts = {}): void {
    this.tell(step, facts);
    if (!this.#current) return;
    const elapsedMs = this.#elapsed();
    this.#current = undefined;
    this.#parts.ended(outcome, elapsedMs);
  }

  tell(step: FailoverStep, facts: StepFacts = {}): void {
    if (this.#current) this.#current.step = step;
    const event: FailoverEvent = {
      cluster: this.#parts.cluster,
      step,
      at: new Date().toISOString(),
      elapsedMs: this.#elapsed(),
      ...facts,
    };
    this.#parts.emit(event);
  }

  #elapsed(): number {
    return this.#current ? this.#parts.clock.now() - this.#current.beganAt : 0;
  }
}
