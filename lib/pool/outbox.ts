import type { Writable } from 'node:stream';
import { serialize } from 'pg-protocol';
import { Group } from './group.js';

/** With more shared connections, the answers of several are likely to be read in one turn of the event loop. */
const FEW = 4;

/** The first of a group waits for the last one; and where one fails, those behind it are sent again. */
const MOST_TOGETHER = 16;

const SYNC = serialize.sync();

/** Shared connections with answers to come, of the whole process: one event loop reads them all. */
let shared = 0;

/** Statements in a row that went out alone: the next one is not likely to have company either. */
const LONELY = 8;

/**
 * Messages for a server: statements that come within one turn of the event loop go out in one write. Where many
 * connections are shared, it waits until the answers that have come on the others are read too: those who got them ask
 * again, and one packet takes them all. Where each goes out alone for a while, the next one does not wait.
 */
export class Outbox {
  #isShared = false;
  readonly #stream: () => Writable;
  #messages: Buffer[] = [];
  #statements = 0;
  #lonely = 0;
  #isWaiting = false;
  #group: Group | undefined;

  /** @param stream Asked with each write: TLS puts another one in its place. */
  constructor(stream: () => Writable) {
    this.#stream = stream;
  }

  /** A statement that comes now goes out with what is there. */
  get isFilling(): boolean {
    return this.#isWaiting;
  }

  /** Calls of several callers are under way on its connection. */
  set isShared(isShared: boolean) {
    if (isShared === this.#isShared) return;
    this.#isShared = isShared;
    shared += isShared ? 1 : -1;
  }

  /** The group of a statement whose messages are put next, without a Sync. */
  group(): Group {
    if (this.#group && this.#group.size >= MOST_TOGETHER) this.endGroup();
    return (this.#group ??= new Group());
  }

  /** What is put next is not of the group: it would be passed over, should one of that fail. */
  endGroup(): void {
    if (!this.#group) return;
    this.#group = undefined;
    this.#messages.push(SYNC);
  }

  /** A message, of a statement or ahead of one. */
  put(message: Buffer): void {
    this.#messages.push(message);
  }

  /**
   * The statement is whole.
   *
   * @param isAlone Whether no other waits for its answer on this connection.
   */
  send(isAlone: boolean): void {
    this.#statements++;
    if (!isAlone) this.#lonely = 0;
    if (this.#lonely < LONELY || this.#isWaiting) this.gather();
    else this.#write();
  }

  /** Whatever comes in this turn of the event loop goes out together. */
  gather(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    if (this.#isShared && shared > FEW) setImmediate(this.#flush);
    else process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isWaiting = false;
    this.#lonely = this.#statements === 1 ? this.#lonely + 1 : 0;
    this.#write();
  };

  #write(): void {
    this.endGroup();
    const stream = this.#stream();
    const messages = this.#messages;
    this.#messages = [];
    this.#statements = 0;
    const [first] = messages;
    if (!stream.writable || !first) return;
    stream.write(messages.length === 1 ? first : Buffer.concat(messages));
  }
}
