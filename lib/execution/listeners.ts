import { EventEmitter } from 'node:events';
import { describeError } from '../errors.js';

type Listener = (...args: unknown[]) => unknown;

/** Who listens to the events of one cluster. The fault of one becomes a process warning, and harms no other. */
export class Listeners<Events extends Record<keyof Events, unknown[]>> {
  readonly #emitter = new EventEmitter();
  readonly #cluster: string;

  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  on<E extends keyof Events & string>(event: E, listener: (...args: Events[E]) => void): void {
    this.#emitter.on(event, listener as Listener);
  }

  off<E extends keyof Events & string>(event: E, listener: (...args: Events[E]) => void): void {
    this.#emitter.off(event, listener as Listener);
  }

  /** False where nobody listens. */
  tell<E extends keyof Events & string>(event: E, ...args: Events[E]): boolean {
    const who = `a '${event}' listener of cluster ${this.#cluster}`;
    const listeners = this.#emitter.listeners(event);
    for (const listener of listeners) attempt(who, () => (listener as Listener)(...args));
    return listeners.length > 0;
  }
}

/** Calls what is not ours. Nobody waits for it, and its fault is a process warning that names it. */
export function attempt(who: string, call: () => unknown): void {
  const warn = (error: unknown) => process.emitWarning(`${who} failed: ${describeError(error)}`);
  try {
    Promise.resolve(call()).catch(warn);
  } catch (error) {
    warn(error);
  }
}
