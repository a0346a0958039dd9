import type { AddressInfo, Server } from 'node:net';
import { Controller, Module } from '@nestjs/common';
import {
  ClientProxyFactory,
  MessagePattern,
  Payload as Data,
  Transport,
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

@Module({ controllers: [NotesMessages] })
class NotesService {}

export const microservice: Entrance = {
  name: 'a microservice message',
  module: () => NotesService,
  prepare(app) {
    const options = { host: '127.0.0.1', port: 0 };
    app.connectMicroservice<MicroserviceOptions>(
      { transport: Transport.TCP, options },
      { inheritAppConfig: true },
    );
  },
  open(app) {
    const [service] = app.getMicroservices();
    if (!service) throw new Error('the application has no microservice');
    const { port } = service.unwrap<Server>().address() as AddressInfo;
    const client = ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port },
    });
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
