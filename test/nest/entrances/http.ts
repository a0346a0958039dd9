import { once } from 'node:events';
import { request as requestOf, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { Body, Controller, Module, Post, type INestApplication } from '@nestjs/common';
import { UseMaster, UseReplica } from 'nestjs-pg-mcp';
import { Notes, type Calls, type Entrance, type Payload, type Seen, type Written } from './entrance.js';

@Controller('notes')
class NotesController {
  constructor(readonly notes: Notes) {}

  @UseMaster({ session: true })
  @Post('write')
  async write(@Body() { text }: Payload): Promise<Written> {
    await this.notes.write(text);
    return this.notes.writtenAndSeen(text);
  }

  @Post('look')
  @UseReplica()
  look(@Body() { text }: Payload): Promise<Seen> {
    return this.notes.look(text);
  }
}

@Module({ controllers: [NotesController] })
class NotesApi {}

export const http: Entrance = {
  name: 'an HTTP request',
  module: () => NotesApi,
  open: (app) => callsOf(app, 'notes'),
};

/** The calls of a controller at that path; the token travels in the header. */
export async function callsOf(app: INestApplication, path: string): Promise<Calls> {
  const url = `${await app.getUrl()}/${path}`;
  return {
    write: async (text) => {
      const { body, session } = await postJson(`${url}/write`, { text });
      return { ...(body as Seen), session };
    },
    look: async (text, token) => (await postJson(`${url}/look`, { text }, token)).body as Seen,
  };
}

/** The body comes after the head, once the server has asked for it: as it does from clients far away. */
export async function postJson(url: string, body: object, session?: string) {
  const request = requestOf(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      expect: '100-continue',
      ...(session !== undefined && { 'x-pg-session': session }),
    },
  });
  request.on('continue', () => request.end(JSON.stringify(body)));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const answer = await text(response);
  if (response.statusCode !== 200 && response.statusCode !== 201) throw new Error(`${url}: ${answer}`);
  const token = response.headers['x-pg-session'];
  return { body: JSON.parse(answer) as unknown, session: typeof token === 'string' ? token : undefined };
}
