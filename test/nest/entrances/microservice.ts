import { EventEmitter, once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { Controller, Module, type INestApplication } from '@nestjs/common';
import {
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  Payload as Data,
  Transport,
  type ClientProxy,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { UseMaster, UseReplica, UseSession } from 'nestjs-pg-mcp';
import { firstValueFrom } from 'rxjs';
import { Notes, type Entrance, type Payload, type Seen, type Written } from './entrance.js';

@Controller()
class NotesMessages {
  constructor(readonly notes: Notes) {}

  @UseMaster({ session: true })
  @MessagePattern('write')
  async write(@Data() { text }: Payload): Promise<Written> {
    await this.notes.write(text);
    return this.notes.writtenAndSeen(text);
  }

  @MessagePattern('look')
  @UseReplica()
  look(@Data() { text }: Payload): Promise<Seen> {
    return this.notes.look(text);
  }

  @UseSession({ token: ({ session }: Payload) => session })
  @MessagePattern('go on')
  @UseReplica()
  goOn(@Data() { text }: Payload): Promise<Seen> {
    return this.notes.look(text);
  }
}

@Controller()
class NotesEvents {
  /** Nobody answers an event: here its handlers tell what they have seen, by the text. */
  readonly seen = new EventEmitter();

  constructor(readonly notes: Notes) {}

  @UseMaster({ session: true })
  @EventPattern('to be written')
  async write(@Data() { text }: Payload): Promise<void> {
    await this.notes.write(text);
    this.seen.emit(text, await this.notes.writtenAndSeen(text));
  }

  @EventPattern('to be looked for')
  @UseSession({ token: ({ session }: Payload) => session })
  @UseReplica()
  async look(@Data() { text }: Payload): Promise<void> {
    this.seen.emit(text, await this.notes.look(text));
  }
}

@Module({ controllers: [NotesMessages, NotesEvents] })
class NotesService {}

function clientOf(app: INestApplication): ClientProxy {
  const [service] = app.getMicroservices();
  if (!service) throw new Error('the application has no microservice');
  const { port } = service.unwrap<Server>().address() as AddressInfo;
  return ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
}

const name = 'a microservice message or event';

export const message: Entrance = {
  name,
  by: 'message',
  module: () => NotesService,
  prepare(app) {
    const options = { host: '127.0.0.1', port: 0 };
    app.connectMicroservice<MicroserviceOptions>(
      { transport: Transport.TCP, options },
      { inheritAppConfig: true },
    );
  },
  open(app) {
    const client = clientOf(app);
    return {
      write: (text) => firstValueFrom(client.send<Written, Payload>('write', { text })),
      look: (text, session) => {
        const pattern = session === undefined ? 'look' : 'go on';
        return firstValueFrom(client.send<Seen, Payload>(pattern, { text, session }));
      },
      close: async () => client.close(),
    };
  },
};

/** To the same service. */
export const event: Entrance = {
  name,
  by: 'event',
  module: () => NotesService,
  open(app) {
    const client = clientOf(app);
    const { seen } = app.get(NotesEvents);
    const emit = async <Result>(pattern: string, payload: Payload) => {
      const told = once(seen, payload.text) as Promise<[Result]>;
      client.emit(pattern, payload);
      return (await told)[0];
    };
    return {
      write: (text) => emit<Written>('to be written', { text }),
      look: (text, session) => emit<Seen>('to be looked for', { text, session }),
      close: async () => client.close(),
    };
  },
};
