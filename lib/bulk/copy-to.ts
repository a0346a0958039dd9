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
  #copy: CopyOut | undefined;
  #leave = () => {};
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
    if (this.#running) this.#copy?.resume();
    else {
      this.#running = this.#run();
      this.#running.catch((error: unknown) => this.destroy(toError(error)));
    }
  }

  override _destroy(cause: Error | null, done: (cause: Error | null) => void): void {
    this.#isLeft = true;
    this.#stop.signal.removeEventListener('abort', this.#aborted);
    this.#leave();
    // Closed when the connection is free again.
    const closed = () => done(cause);
    if (this.#running) this.#running.then(closed, closed);
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
    }
    await connection.end('done');
    if (!this.#isLeft) this.push(null);
  }

  async #start(connection: LongConnection): Promise<CopyOut> {
    const { node, client, joins } = connection;
    const copy = new CopyOut(this.#text, node, (piece) => this.#isLeft || this.push(piece));
    this.#copy = copy;
    // Of a connection that others use too, the rest is let run through.
    this.#leave = () => (joins === undefined ? connection.cut() : copy.resume());
    if (this.#isLeft) throw new Error('the stream was left before it began');
    return startCopy(client, copy);
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
