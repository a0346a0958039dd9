import type { Clock } from '../clock.js';
import type { LeakSettings } from '../config/settings.js';
import { formatDuration } from '../duration.js';
import { PgMcpError } from '../errors.js';
import { describeLeak, type LeakEvent, type LeakKind } from '../leak-event.js';
import { LeakDetector, type Finding } from '../pool/leak-detector.js';
import type { Scope } from '../session/scope.js';
import { StackAllowance } from './stack-allowance.js';
import { Taker, type HeldByTaker, type HoldKeeper } from './taker.js';

export interface LeakWatchParts {
  readonly cluster: string;
  readonly settings: LeakSettings;
  readonly clock: Clock;
  /** Tells whoever listens; false where nobody does. */
  readonly emit: (event: LeakEvent) => boolean;
  /** Counts one, whatever will become of it. */
  readonly count: (kind: LeakKind) => void;
}

/** Undefined where detection is off: then nothing is asked of it, and nothing paid. */
export function createLeakWatch(parts: LeakWatchParts): LeakWatch | undefined {
  return parts.settings.thresholdMs > 0 ? new LeakWatch(parts) : undefined;
}

/** Watches who keeps a connection for long, and tells of those that are lost. */
export class LeakWatch implements HoldKeeper {
  readonly #parts: LeakWatchParts;
  readonly #detector: LeakDetector<HeldByTaker>;
  readonly #dropped = new FinalizationRegistry<Dropped>(({ hold, giveBack }) => {
    // What runs on it is waited for; the reset, or its end, comes after.
    if (this.#detector.collected(hold)) giveBack().catch(() => {});
  });
  readonly #stacks = new StackAllowance();
  #onExit: (() => void) | undefined;

  constructor(parts: LeakWatchParts) {
    this.#parts = parts;
    const { clock, settings } = parts;
    this.#detector = new LeakDetector(clock, settings.thresholdMs, (...found) => this.#found(...found));
  }

  /** Who asks for a connection now, and will keep it. To be made in the call itself, whose stack it takes. */
  taker(kind: LeakKind, scope: Scope): Taker {
    return new Taker(kind, scope, this, this.#stacks.allows(this.#parts.clock.now()));
  }

  taken(hold: HeldByTaker): void {
    this.#onExit ??= this.#listenToExit();
    this.#detector.taken(hold);
  }

  givenBack(hold: HeldByTaker): void {
    this.#detector.givenBack(hold);
  }

  follow(lease: object, hold: HeldByTaker, giveBack: () => Promise<void>): void {
    this.#dropped.register(lease, { hold, giveBack }, hold);
  }

  unfollow(hold: HeldByTaker): void {
    this.#dropped.unregister(hold);
  }

  /** Tells of what is still held, and watches no longer. */
  end(): void {
    if (this.#onExit) process.off('exit', this.#onExit);
    this.#onExit = undefined;
    this.#detector.end();
  }

  #listenToExit(): () => void {
    const onExit = () => this.#detector.end();
    process.on('exit', onExit);
    return onExit;
  }

  #found(hold: HeldByTaker, finding: Finding, heldMs: number, isFirst: boolean): void {
    const { settings, count } = this.#parts;
    if (isFirst && finding !== 'open') count(hold.taker.kind);
    const holder = finding === 'held' && settings.action === 'destroy' ? hold.taker.holder : undefined;
    const event: LeakEvent = {
      cluster: this.#parts.cluster,
      state: holder ? 'destroyed' : finding,
      at: new Date().toISOString(),
      heldMs: Math.round(heldMs),
      ...hold.facts,
    };
    if (holder) {
      this.#detector.forget(hold);
      holder.cut(takenBack(heldMs, settings.thresholdMs));
    }
    this.#tell(event);
  }

  #tell(event: LeakEvent): void {
    if (this.#parts.emit(event) || event.state === 'recovered') return;
    const text = describeLeak(event);
    // A warning is written in a later turn of the event loop: at the end of the process there is none.
    if (event.state === 'open') process.stderr.write(`${text}\n`);
    else process.emitWarning(text);
  }
}

interface Dropped {
  readonly hold: HeldByTaker;
  readonly giveBack: () => Promise<void>;
}

function takenBack(heldMs: number, thresholdMs: number): PgMcpError {
  return new PgMcpError(
    'LEASE_RELEASED',
    `the connection was taken back and cut after ${formatDuration(heldMs)}, past leak_detection.threshold (${formatDuration(thresholdMs)}): release it sooner, or raise the threshold`,
  );
}
