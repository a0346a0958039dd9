import type { AddressInfo, Server } from 'node:net';
import { Controller, Injectable, UseGuards, type CanActivate } from '@nestjs/common';
import {
  ClientProxyFactory,
  MessagePattern,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { PgCluster, PgMcpModule } from 'nestjs-pg-mcp';
import { firstValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';

const sessions: unknown[] = [];

@Injectable()
class Guard implements CanActivate {
  constructor(readonly cluster: PgCluster) {}

  canActivate(): boolean {
    sessions.push(this.cluster.session.current);
    return true;
  }
}

@Controller()
@UseGuards(Guard)
class Messages {
  constructor(readonly cluster: PgCluster) {}

  @MessagePattern('message')
  handle(): string {
    sessions.push(this.cluster.session.current);
    return 'handled';
  }
}

it('a guard of a message has the session of the process, its handler one of its own', async () => {
  const { config } = await freshDatabase();
  const module = await Test.createTestingModule({
    imports: [PgMcpModule.forRoot({ config })],
    controllers: [Messages],
    providers: [Guard],
  }).compile();
  const options = { host: '127.0.0.1', port: 0 };
  const service = module.createNestMicroservice<MicroserviceOptions>({
    transport: Transport.TCP,
    options,
    logger: false,
  });
  await service.listen();
  const { port } = service.unwrap<Server>().address() as AddressInfo;
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { ...options, port } });
  expect(await firstValueFrom(client.send('message', {}))).toBe('handled');
  await client.close();
  const [ofGuard, ofHandler] = sessions;
  const ofProcess = module.get(PgCluster).session.current;
  expect(ofGuard).toBe(ofProcess);
  expect(ofHandler).not.toBe(ofProcess);
  await service.close();
});
