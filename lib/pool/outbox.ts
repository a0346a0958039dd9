import type { Writable } from 'node:stream';

/** With more shared connections, the answers of several are likely to be read in one turn of the event loop. */
const FEW = 4;

/** Shared connections with answers to come, of the whole process: one event loop reads them all. */
let shared = 0;

/**
 * Messages for a server: what is put in within one turn of the event loop goes out in one write. Where many connections
 * are shared, it waits until the answers that have come on the others are read too: those who got them ask again, and
 * one packet takes them all.
 */
export class Outbox {
  #isShared = false;
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

  /** Calls of several callers are under way on its connection. */
  set isShared(isShared: boolean) {
    if (isShared === this.#isShared) return;
    this.#isShared = isShared;
    shared += isShared ? 1 : -1;
  }

  put(message: Buffer): void {
    if (this.#messages.push(message) > 1) return;
    if (this.#isShared && shared > FEW) setImmediate(this.#flush);
    else process.nextTick(this.#flush);
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
