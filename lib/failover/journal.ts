import type { Clock } from '../clock.js';
import { describeError } from '../errors.js';
import type { FailoverCallback, FailoverEvent, FailoverStep } from '../failover-event.js';

export type FailoverKind = 'failover' | 'switchover';
export type FailoverOutcome = 'promoted' | 'followed' | 'same-primary' | 'switched' | 'failed';

/** What the health page says while one is under way. Fit for JSON. */
export interface FailoverUnderWay {
  readonly kind: FailoverKind;
  /** The last step. */
  readonly step: FailoverStep;
  readonly elapsedMs: number;
}

export interface FailoverCounts {
  /** By outcome. */
  readonly outcomes: ReadonlyMap<FailoverOutcome, number>;
  /** Milliseconds of each that has ended, oldest first; the last hundred. */
  readonly durationsMs: readonly number[];
}

export interface StepFacts {
  readonly node?: string;
  readonly detail?: string;
}

export interface JournalParts {
  readonly cluster: string;
  readonly clock: Clock;
  readonly callback?: FailoverCallback;
  /** Emits the 'failover' event. */
  readonly emit: (event: FailoverEvent) => void;
  /** Told how long one took, in milliseconds. */
  readonly ended?: (outcome: FailoverOutcome, elapsedMs: number) => void;
}

const MOST_DURATIONS = 100;

/** Tells every step to whoever listens, and keeps what is under way. A listener's fault harms nothing. */
export class Journal {
  readonly #parts: JournalParts;
  readonly #outcomes = new Map<FailoverOutcome, number>();
  readonly #durationsMs: number[] = [];
  #current: { readonly kind: FailoverKind; readonly beganAt: number; step: FailoverStep } | undefined;

  constructor(parts: JournalParts) {
    this.#parts = parts;
  }

  get underWay(): FailoverUnderWay | undefined {
    const current = this.#current;
    return current && { kind: current.kind, step: current.step, elapsedMs: this.#elapsed() };
  }

  get counts(): FailoverCounts {
    return { outcomes: this.#outcomes, durationsMs: this.#durationsMs };
  }

  /** @param beganAt Of the clock; a failover began when the primary was first in trouble. */
  began(
    kind: FailoverKind,
    step: FailoverStep,
    facts: StepFacts = {},
    beganAt = this.#parts.clock.now(),
  ): void {
    this.#current ??= { kind, beganAt, step };
    this.tell(step, facts);
  }

  ended(outcome: FailoverOutcome, step: FailoverStep, facts: StepFacts = {}): void {
    this.tell(step, facts);
    if (!this.#current) return;
    const elapsedMs = this.#elapsed();
    this.#current = undefined;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    this.#durationsMs.push(elapsedMs);
    if (this.#durationsMs.length > MOST_DURATIONS) this.#durationsMs.shift();
    this.#parts.ended?.(outcome, elapsedMs);
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
    this.#attempt('a failover listener', () => this.#parts.emit(event));
    this.#attempt('notificationCallback', () => this.#parts.callback?.(event));
  }

  /** Awaits nothing: a step doesn't wait for whoever is told of it. */
  #attempt(who: string, call: () => unknown): void {
    const warn = (error: unknown) =>
      process.emitWarning(`${who} of cluster ${this.#parts.cluster} failed: ${describeError(error)}`);
    try {
      Promise.resolve(call()).catch(warn);
    } catch (error) {
      warn(error);
    }
  }

  #elapsed(): number {
    return this.#current ? this.#parts.clock.now() - this.#current.beganAt : 0;
  }
}
