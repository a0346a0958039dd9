import { once } from 'node:events';
import type { INestApplication } from '@nestjs/common';
import { WebSocket } from 'ws';

interface Message {
  readonly id?: string;
  readonly type: string;
  readonly payload?: unknown;
}

/** GraphQL over a WebSocket, by the protocol `graphql-transport-ws`. */
export class GraphqlSocket {
  #last = 0;

  private constructor(private readonly socket: WebSocket) {}

  /** @param headers Of the request that the connection begins with. */
  static async open(app: INestApplication, headers: Record<string, string> = {}): Promise<GraphqlSocket> {
    const url = `${(await app.getUrl()).replace('http', 'ws')}/graphql`;
    const socket = new WebSocket(url, 'graphql-transport-ws', { headers });
    await once(socket, 'open');
    const opened = new GraphqlSocket(socket);
    await opened.#ask({ type: 'connection_init' });
    return opened;
  }

  /** The data of an operation's answer; of a subscription that of its first event, after which it is left. */
  async ask<Data>(query: string): Promise<Data> {
    const id = String(++this.#last);
    const { payload } = await this.#ask({ id, type: 'subscribe', payload: { query } });
    this.#send({ id, type: 'complete' });
    const { data } = payload as { data?: Data | null };
    if (!data) throw new Error(JSON.stringify(payload));
    return data;
  }

  /** As a client does that is gone. */
  cut(): void {
    this.socket.terminate();
  }

  #ask(message: Message): Promise<Message> {
    return new Promise((resolve) => {
      const hear = (data: Buffer) => {
        const answer = JSON.parse(data.toString()) as Message;
        if (answer.id !== message.id) return;
        this.socket.off('message', hear);
        resolve(answer);
      };
      this.socket.on('message', hear);
      this.#send(message);
    });
  }

  #send(message: Message): void {
    this.socket.send(JSON.stringify(message));
  }
}
