import { once } from 'node:events';
import { Module } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway, type WsResponse } from '@nestjs/websockets';
import { UseMaster, UseReplica, UseSession } from 'nestjs-pg-mcp';
import { WebSocket } from 'ws';
import { Notes, type Entrance, type Payload, type Seen, type Written } from './entrance.js';

/** Which runs no interceptor of the whole application for gateways. */
const SessionOnNest11 = process.env['NEST'] === '11' ? UseSession() : () => {};

@WebSocketGateway()
@SessionOnNest11
class NotesGateway {
  constructor(readonly notes: Notes) {}

  @UseMaster({ session: true })
  @SubscribeMessage('write')
  async write(@MessageBody() { text }: Payload): Promise<WsResponse<Written>> {
    await this.notes.write(text);
    return { event: 'written', data: await this.notes.writtenAndSeen(text) };
  }

  @SubscribeMessage('look')
  @UseReplica()
  async look(@MessageBody() { text }: Payload): Promise<WsResponse<Seen>> {
    return { event: 'seen', data: await this.notes.look(text) };
  }

  @UseSession({ token: ({ session }: Payload) => session })
  @SubscribeMessage('go on')
  @UseReplica()
  async goOn(@MessageBody() { text }: Payload): Promise<WsResponse<Seen>> {
    return { event: 'seen', data: await this.notes.look(text) };
  }
}

@Module({ providers: [NotesGateway] })
class NotesSockets {}

export const websocket: Entrance = {
  name: 'a WebSocket message',
  module: () => NotesSockets,
  prepare(app) {
    app.useWebSocketAdapter(new WsAdapter(app));
  },
  async open(app) {
    const socket = new WebSocket((await app.getUrl()).replace('http', 'ws'));
    await once(socket, 'open');
    const ask = async <Answer>(event: string, data: Payload): Promise<Answer> => {
      const answered = once(socket, 'message') as Promise<[Buffer]>;
      socket.send(JSON.stringify({ event, data }));
      const [answer] = await answered;
      return (JSON.parse(answer.toString()) as WsResponse<Answer>).data;
    };
    return {
      write: (text) => ask<Written>('write', { text }),
      look: (text, session) => ask<Seen>(session === undefined ? 'look' : 'go on', { text, session }),
      close: async () => socket.close(),
    };
  },
};
