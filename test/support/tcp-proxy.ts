import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** ReadyForQuery (manual, section 54.7): type, length 5, transaction status. */
const READY = Buffer.from([...Buffer.from('Z'), 0, 0, 0, 5]);
const READY_BYTES = READY.length + 1;
const LATE_MS = 20;

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

/** A network between a client and a server on 127.0.0.1 that a test can break. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  /**
   * When the server's word that it is ready gets through: with what it comes after, in a packet of its own a
   * little later, or never, since the connection is closed before it.
   */
  ready: 'at once' | 'late' | 'never' = 'at once';
  /** How much later the server's answers arrive. */
  delayMs = 0;
  #isBlackHole = false;
  #budget = Number.POSITIVE_INFINITY;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const server = connect({ ...target, allowHalfOpen: true });
      this.#join({ client, server });
    });
  }

  static async start(
    target: { readonly host: string; readonly port: number },
    { host = '127.0.0.1', port = 0 }: { readonly host?: string; readonly port?: number } = {},
  ): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(port, host, resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many connections go through it. */
  get links(): number {
    return this.#links.size;
  }

  /** Resets every connection, as a firewall or a dying machine does. */
  cut(): void {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** From now on, until `heal`, nothing gets through and nobody is told: connections stay open. */
  blackHole(): void {
    this.#isBlackHole = true;
    for (const { client, server } of this.#links) {
      client.pause();
      server.pause();
    }
  }

  heal(): void {
    this.#isBlackHole = false;
    this.#budget = Number.POSITIVE_INFINITY;
    for (const { client, server } of this.#links) {
      client.resume();
      server.resume();
    }
  }

  /** Lets so many more bytes of the server's answers through, then resets the connection they are for. */
  resetAfter(bytes: number): void {
    this.#budget = bytes;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #join(link: Link): void {
    const { client, server } = link;
    this.#links.add(link);
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk) => {
      if (this.delayMs === 0) this.#answer(link, chunk);
      // Timers of one duration run in the order they were set.
      else setTimeout(() => this.#answer(link, chunk), this.delayMs);
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('end', () => to.end());
      from.on('error', () => {});
      from.on('close', () => {
        this.#links.delete(link);
        to.destroy();
      });
      if (this.#isBlackHole) from.pause();
    }
  }

  #answer({ client, server }: Link, chunk: Buffer): void {
    if (chunk.length < this.#budget) {
      this.#budget -= chunk.length;
      this.#pass(client, chunk);
      return;
    }
    const rest = chunk.subarray(0, this.#budget);
    this.#budget = Number.POSITIVE_INFINITY;
    client.write(rest, () => {
      client.resetAndDestroy();
      server.resetAndDestroy();
    });
  }

  #pass(client: Socket, chunk: Buffer): void {
    if (this.ready === 'at once' || !chunk.subarray(-READY_BYTES, -1).equals(READY)) {
      client.write(chunk);
      return;
    }
    client.write(chunk.subarray(0, -READY_BYTES));
    if (this.ready === 'never') client.end();
    else setTimeout(() => client.write(chunk.subarray(-READY_BYTES)), LATE_MS);
  }
}
