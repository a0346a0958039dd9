import type { Writable } from 'node:stream';

/** Messages for a server: what is put in within one turn of the event loop goes out in one write. */
export class Outbox {
  readonly #stream: () => Writable;
  #messages: Buffer[] = [];

  /** @param stream Asked with each write: TLS puts another one in its place. */
  constructor(stream: () => Writable) {
    this.#stream = stream;
  }

  /** What is put in now goes out with what is there. */
  get isFilling(): boolean {
    return this.#messages.length > 0;
  }

  put(message: Buffer): void {
    if (this.#messages.push(message) === 1) process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    const stream = this.#stream();
    const messages = this.#messages;
    this.#messages = [];
    const [first] = messages;
    if (!stream.writable || !first) return;
    stream.write(messages.length === 1 ? first : Buffer.concat(messages));
  };
}
