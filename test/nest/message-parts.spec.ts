import type { AddressInfo, Server } from 'node:net';
import {
  Catch,
  Controller,
  Injectable,
  UseFilters,
  UseGuards,
  type CanActivate,
  type ExceptionFilter,
} from '@nestjs/common';
import {
  ClientProxyFactory,
  MessagePattern,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { PgCluster, PgMcpModule } from 'nestjs-pg-mcp';
import { firstValueFrom, of, type Observable } from 'rxjs';
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

@Catch()
class Filter implements ExceptionFilter {
  constructor(readonly cluster: PgCluster) {}

  catch(): Observable<string> {
    sessions.push(this.cluster.session.current);
    return of('filtered');
  }
}

@Controller()
@UseGuards(Guard)
@UseFilters(Filter)
class Messages {
  constructor(readonly cluster: PgCluster) {}

  @MessagePattern('message')
  handle(): never {
    sessions.push(this.cluster.session.current);
    throw new RangeError('on purpose');
  }
}

it('a guard and a filter of a message have the session of the process, its handler one of its own', async () => {
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
  expect(await firstValueFrom(client.send('message', {}))).toBe('filtered');
  await client.close();
  const [ofGuard, ofHandler, ofFilter] = sessions;
  const ofProcess = module.get(PgCluster).session.current;
  expect(ofGuard).toBe(ofProcess);
  expect(ofFilter).toBe(ofProcess);
  expect(ofHandler).not.toBe(ofProcess);
  await service.close();
});
