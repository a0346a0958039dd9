import type { Duplex } from 'node:stream';
import type pg from 'pg';
import { explainFault, isAnswer } from './pg-faults.js';

// Of `pg-copy-streams` nothing is used: it does not tell when the server has agreed to a COPY, until which the call
// may go to another node; it throws within the socket's listeners; and what it sends can't be left halfway.

/** What of `pg` its types leave out. */
interface Connection {
  readonly stream: Duplex;
  query(text: string): void;
  endCopyFrom(): void;
  sendCopyFail(reason: string): void;
  once(event: 'readyForQuery' | 'copyOutResponse' | 'end', listener: () => void): void;
  off(event: 'readyForQuery' | 'copyOutResponse' | 'end', listener: () => void): void;
}

/** One COPY as `pg` runs a query: what its client tells of it. */
class Copy {
  /** The server has agreed to it. */
  readonly started: Promise<void>;
  /** The server is ready for the next statement: the number of rows, or why there are none. */
  readonly ended: Promise<number>;
  protected connection: Connection | undefined;
  protected failure: unknown;
  protected begin = () => {};
  #refuse: (error: unknown) => void = () => {};
  #finish: (rows: number) => void = () => {};
  #fail: (error: unknown) => void = () => {};
  #rows = 0;

  constructor(
    readonly text: string,
    readonly node: string,
  ) {
    this.started = new Promise((resolve, reject) => {
      this.begin = resolve;
      this.#refuse = reject;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    // Who waits for neither any more need not hear of it.
    this.started.catch(() => {});
    this.ended.catch(() => {});
  }

  get isOver(): boolean {
    return this.failure !== undefined;
  }

  submit(connection: Connection): void {
    this.connection = connection;
    connection.query(this.text);
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rows = Number(/^COPY (\d+)/.exec(text)?.[1] ?? 0);
  }

  handleReadyForQuery(): void {
    this.#finish(this.#rows);
  }

  handleError(error: unknown): void {
    this.failure = explainFault(this.node, error);
    this.failed();
    const tell = () => {
      this.#refuse(this.failure);
      this.#fail(this.failure);
    };
    const { connection } = this;
    if (!connection || !isAnswer(error)) {
      tell();
      return;
    }
    // An error comes a moment before the server is ready for what follows.
    const ready = () => {
      connection.off('readyForQuery', ready);
      connection.off('end', ready);
      tell();
    };
    connection.once('readyForQuery', ready);
    connection.once('end', ready);
  }

  protected failed(): void {}
}

/** A COPY … FROM STDIN. */
export class CopyIn extends Copy {
  handleCopyInResponse(): void {
    this.begin();
  }

  /**
   * Sends a piece; what it returns, where it does, resolves when there is room for the next.
   *
   * @throws what the COPY has failed of.
   */
  write(piece: Uint8Array): Promise<void> | undefined {
    if (this.failure !== undefined) throw this.failure;
    const { connection } = this;
    if (!connection) throw new Error('the COPY has not started');
    const { stream } = connection;
    stream.cork();
    stream.write(headOf(piece));
    const hasRoom = stream.write(piece);
    stream.uncork();
    return hasRoom ? undefined : this.#untilDrained(stream);
  }

  /** Everything was written. */
  finish(): Promise<number> {
    if (this.failure === undefined) this.connection?.endCopyFrom();
    return this.ended;
  }

  /** Has the server forget all of it; resolves when it has. */
  async fail(reason: string): Promise<void> {
    // A NUL would end the message in its midst.
    if (this.failure === undefined) this.connection?.sendCopyFail(reason.replaceAll('\0', ' '));
    await this.ended.catch(() => {});
  }

  async #untilDrained(stream: Duplex): Promise<void> {
    await new Promise<void>((resolve) => {
      const go = () => {
        stream.off('drain', go).off('close', go);
        this.failed = () => {};
        resolve();
      };
      this.failed = go;
      stream.on('drain', go).on('close', go);
    });
    if (this.failure !== undefined) throw this.failure;
  }
}

/** A COPY … TO STDOUT. */
export class CopyOut extends Copy {
  #pieces: Uint8Array[] = [];
  #isEnded = false;

  /** @param sink Takes a piece, and says whether it takes more; where not, until `resume`. */
  constructor(
    text: string,
    node: string,
    readonly sink: (piece: Buffer) => boolean,
  ) {
    super(text, node);
  }

  override submit(connection: Connection): void {
    connection.once('copyOutResponse', this.begin);
    super.submit(connection);
  }

  resume(): void {
    this.connection?.stream.resume();
  }

  handleCopyData({ chunk }: { readonly chunk: Uint8Array }): void {
    // Each row comes by itself, in a piece of memory that is written over with what the socket brings next.
    if (this.#pieces.push(chunk) === 1) queueMicrotask(() => this.#pass());
  }

  override handleReadyForQuery(): void {
    this.#isEnded = true;
    this.#pass();
    super.handleReadyForQuery();
  }

  protected override failed(): void {
    this.#isEnded = true;
    this.connection?.off('copyOutResponse', this.begin);
  }

  #pass(): void {
    if (this.#pieces.length === 0) return;
    const whole = Buffer.concat(this.#pieces);
    this.#pieces = [];
    // Once it is over the socket is somebody else's.
    if (!this.sink(whole) && !this.#isEnded) this.connection?.stream.pause();
  }
}

/** Resolves when the server has agreed. @param client The `pg.Client` of a connection that nobody else uses meanwhile. */
export async function startCopy<C extends CopyIn | CopyOut>(client: unknown, copy: C): Promise<C> {
  (client as pg.Client).query(copy as unknown as pg.Submittable);
  await copy.started;
  return copy;
}

/** CopyData (manual, section 54.7). */
function headOf({ length }: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(5);
  head[0] = 0x64;
  head.writeUInt32BE(length + 4, 1);
  return head;
}
