import type { EventEmitter } from 'node:events';

/** Of a connection's client: who listens to the one that stands for it hears them. */
const FORWARDED: readonly (string | symbol)[] = ['notification', 'notice', 'error'];

/** What a connection's client emits, for those who listen to a client that is bound to it. */
export class Forwarding {
  readonly #to: EventEmitter;
  readonly #from: () => EventEmitter | undefined;
  /** How each comes to an end. */
  readonly #ends = new Map<string | symbol, () => void>();

  /** @param from Undefined while nobody is to hear it. */
  constructor(to: EventEmitter, from: () => EventEmitter | undefined) {
    this.#to = to;
    this.#from = from;
    for (const event of FORWARDED) if (to.listenerCount(event) > 0) this.#forward(event);
    to.on('newListener', this.#forward);
  }

  stop(): void {
    this.#to.off('newListener', this.#forward);
    for (const end of this.#ends.values()) end();
    this.#ends.clear();
  }

  /** Also to who begins to listen only now. */
  readonly #forward = (event: string | symbol): void => {
    if (!FORWARDED.includes(event) || this.#ends.has(event)) return;
    const from = this.#from();
    if (!from) return;
    const forward = (payload: unknown) => {
      // An error that nobody listens to would end the process.
      if (this.#to.listenerCount(event) > 0) this.#to.emit(event, payload);
    };
    from.on(event, forward);
    this.#ends.set(event, () => from.off(event, forward));
  };
}
