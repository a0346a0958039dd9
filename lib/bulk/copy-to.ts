import { Readable } from 'node:stream';
import { CopyOut, startCopy } from '../pool/pg-copy.js';
import type { LongCalls, LongConnection } from '../session/long-call.js';
import { Stop } from './stop.js';

/** What a COPY puts out, as a stream. It begins when it is first read. */
export class CopyToStream extends Readable {
  readonly #long: LongCalls;
  readonly #text: string;
  readonly #stop: Stop;
  readonly #aborted: () => void;
  /** Has the server go on, which was stopped while nobody read. */
  #goOn = () => {};
  #rest = () => {};
  /** Tells whether it has cut the connection. */
  #leave = () => false;
  #running: Promise<void> | undefined;
  #isLeft = false;

  /** @throws PgMcpError where the scope forbids it. */
  constructor(long: LongCalls, text: string, signal: AbortSignal | undefined) {
    super();
    long.admit(text);
    this.#long = long;
    this.#text = text;
    this.#stop = new Stop(signal);
    this.#aborted = () => this.destroy(toError(this.#stop.signal.reason));
    // Who has it piped need not listen for its errors, and the process would end of one.
    this.on('error', () => {});
    if (this.#stop.signal.aborted) this.#aborted();
    else this.#stop.signal.addEventListener('abort', this.#aborted);
  }

  override _read(): void {
    if (this.#running) this.#goOn();
    else {
      this.#running = this.#run();
      this.#running.catch((error: unknown) => this.destroy(toError(error)));
    }
  }

  override _destroy(cause: Error | null, done: (cause: Error | null) => void): void {
    this.#isLeft = true;
    this.#stop.signal.removeEventListener('abort', this.#aborted);
    const isCut = this.#leave();
    const closed = () => done(cause);
    // Closed when the connection is free again, where that is soon.
    if (isCut && this.#running) this.#running.then(closed, closed);
    else closed();
  }

  async #run(): Promise<void> {
    const { connection, started: copy } = await this.#long.open({
      text: this.#text,
      start: (connection) => this.#start(connection),
      abandon: () => this.#stop.abandon(),
    });
    try {
      await copy.ended;
    } catch (error) {
      await connection.end('failed');
      throw error;
    } finally {
      this.#rest();
      this.#goOn = () => {};
      this.#leave = () => false;
    }
    await connection.end('done');
    if (!this.#isLeft) this.push(null);
  }

  async #start(connection: LongConnection): Promise<CopyOut> {
    const { node, client, joins } = connection;
    const copy = new CopyOut(this.#text, node, (piece) => this.#take(piece));
    let rest = connection.busy();
    this.#rest = () => rest();
    this.#goOn = () => {
      rest();
      rest = connection.busy();
      copy.resume();
    };
    this.#leave = () => {
      // Of a connection that others use too, the rest is let run through.
      if (joins === undefined) connection.cut();
      else this.#goOn();
      return joins === undefined;
    };
    if (this.#isLeft) throw new Error('the stream was left before it began');
    return startCopy(client, copy);
  }

  #take(piece: Buffer): boolean {
    if (this.#isLeft || this.push(piece)) return true;
    this.#rest();
    return false;
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
