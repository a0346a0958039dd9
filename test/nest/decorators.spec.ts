import 'reflect-metadata';
import { Injectable, SetMetadata } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { PgCluster, PgMcpModule, UseMaster, UseReplica } from 'nestjs-pg-mcp';
import {
  concatMap,
  defer,
  firstValueFrom,
  from,
  lastValueFrom,
  NEVER,
  Observable,
  range,
  take,
  toArray,
} from 'rxjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';

const Audience = (audience: string) => SetMetadata('audience', audience);

@Injectable()
class Ports {
  constructor(readonly cluster: PgCluster) {}

  async port(): Promise<number> {
    return (await this.cluster.query('SELECT inet_server_port() AS port')).rows[0].port;
  }

  @UseReplica()
  onReplica(): Promise<number> {
    return this.port();
  }

  @UseMaster()
  async onMaster(): Promise<number> {
    return this.port();
  }

  @UseReplica()
  async masterWithin(): Promise<number[]> {
    return [await this.port(), await this.onMaster(), await this.port()];
  }

  @UseReplica()
  plain(value: number): number {
    return value + 1;
  }

  @UseReplica()
  throwing(): never {
    throw new RangeError('no');
  }

  @UseReplica({ session: true })
  observable(times: number): Observable<number> {
    return range(0, times).pipe(concatMap(() => from(this.port())));
  }

  @UseReplica({ session: true })
  endless(): Observable<number> {
    return new Observable((subscriber) => {
      void this.port().then((port) => subscriber.next(port));
      return NEVER.subscribe();
    });
  }

  @UseReplica({ session: true })
  async *generator(times: number): AsyncGenerator<number> {
    for (let i = 0; i < times; i++) yield await this.port();
  }

  @UseReplica({ session: true })
  async pid(): Promise<[number, number, number]> {
    const pid = async () => (await this.cluster.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
    return [await pid(), await this.nestedPid(), await pid()];
  }

  @UseReplica({ session: true })
  async nestedPid(): Promise<number> {
    return (await this.cluster.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
  }

  @UseReplica()
  write(): Promise<unknown> {
    return this.cluster.query(`INSERT INTO notes VALUES ('from a replica scope')`);
  }

  @UseMaster({ transaction: true })
  async note(text: string, fault?: Error): Promise<number> {
    await this.cluster.query('INSERT INTO notes VALUES ($1)', [text]);
    if (fault) throw fault;
    return (await this.cluster.query('SELECT count(*)::int AS count FROM notes')).rows[0].count;
  }

  @UseMaster({ transaction: true })
  noteObservable(text: string): Observable<string> {
    return defer(() => this.cluster.query('INSERT INTO notes VALUES ($1) RETURNING text', [text])).pipe(
      concatMap(({ rows }) => from([rows[0].text, 'done'])),
    );
  }

  @UseMaster({ transaction: true })
  async *noteGenerator(text: string): AsyncGenerator<string> {
    yield (await this.cluster.query('INSERT INTO notes VALUES ($1) RETURNING text', [text])).rows[0].text;
    yield 'done';
  }

  @UseMaster({ transaction: { isolation: 'serializable', readOnly: true, deferrable: true } })
  async settings(): Promise<unknown> {
    const sql = `SELECT current_setting('transaction_isolation') AS isolation,
      current_setting('transaction_read_only') AS read_only, current_setting('transaction_deferrable') AS deferrable`;
    return (await this.cluster.query(sql)).rows[0];
  }

  @UseReplica()
  @Audience('inner')
  async decorated(first: string, second?: string): Promise<string> {
    return `${first}${second ?? ''}`;
  }

  @Audience('outer')
  @UseReplica()
  async decoratedOutside(): Promise<number> {
    return this.port();
  }
}

@Injectable()
@UseReplica()
class ReadService extends Ports {
  own(): Promise<number> {
    return this.port();
  }

  @UseMaster()
  ownOnMaster(): Promise<number> {
    return this.port();
  }
}

let app: TestingModule;
let cluster: PgCluster;
let service: Ports;
let database: FreshDatabase;
let primary: number;
let replicas: number[];

beforeAll(async () => {
  database = await freshDatabase();
  primary = database.config.masters[0]?.port ?? 0;
  replicas = database.config.replicas.map((node) => node.port);
  app = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({
        config: database.config,
        routing: { default: 'primary' },
        consistency: 'eventual',
      }),
    ],
    providers: [Ports, ReadService],
  }).compile();
  await app.init();
  cluster = app.get(PgCluster);
  service = app.get(Ports);
  await cluster.query('CREATE TABLE notes (text text)');
});

afterAll(() => app.close());
beforeEach(async () => {
  await cluster.query('TRUNCATE notes');
});

const active = () => cluster.getStatus().activeConnections;
const allBack = () => expect.poll(active).toBe(0);
const notes = async () =>
  (await cluster.query<{ text: string }>('SELECT text FROM notes')).rows.map(({ text }) => text);

describe('@UseReplica and @UseMaster', () => {
  it('route by method, the inner one wins, the outer goes on after it', async () => {
    expect(replicas).toContain(await service.onReplica());
    expect(await service.onMaster()).toBe(primary);
    const [before, within, after] = await service.masterWithin();
    expect(within).toBe(primary);
    expect(replicas).toContain(before);
    expect(after).toBe(before);
  });

  it('route a whole class, inherited methods too, except for methods with their own decorator', async () => {
    const reads = app.get(ReadService);
    expect(replicas).toContain(await reads.own());
    expect(replicas).toContain(await reads.port());
    expect(await reads.ownOnMaster()).toBe(primary);
    expect(await reads.onMaster()).toBe(primary);
    expect(replicas).toContain(await cluster.useMaster(() => reads.own()));
    expect(await service.port()).toBe(primary);
  });

  it('keep plain results plain and throws synchronous', async () => {
    expect(service.plain(1)).toBe(2);
    expect(() => service.throwing()).toThrow(RangeError);
    await allBack();
  });

  it('refuse a write in a replica scope and write nothing', async () => {
    await expect(service.write()).rejects.toMatchObject({
      code: 'WRITE_ON_REPLICA',
      reason: 'write',
      safeToRetry: true,
    });
    expect(await notes()).toEqual([]);
    await allBack();
  });

  it('keep one connection where a session is asked for, shared by a nested one', async () => {
    const pids = await service.pid();
    expect(new Set(pids).size).toBe(1);
    await allBack();
  });

  it.each([
    ['after completion', () => lastValueFrom(service.observable(3))],
    ['after the subscriber left', () => firstValueFrom(service.endless())],
    ['after the subscriber left at once', () => lastValueFrom(service.observable(1_000).pipe(take(1)))],
    ['when nobody subscribes', async () => replicas[0] ?? service.observable(1)],
  ])('give an Observable its connection back %s', async (_when, use) => {
    expect(replicas).toContain(await use());
    await allBack();
  });

  it('give each subscription a scope of its own and the subscriber its own context', async () => {
    const source = service.observable(2);
    expect(await lastValueFrom(source.pipe(toArray()))).toHaveLength(2);
    const seen = await firstValueFrom(
      source.pipe(
        take(1),
        concatMap(() => from(service.port())),
      ),
    );
    expect(seen).toBe(primary);
    await allBack();
  });

  it('give a generator its connection back at its end, when it is left, and when it was never started', async () => {
    const seen: number[] = [];
    for await (const port of service.generator(3)) seen.push(port, await service.port());
    expect(seen.filter((port) => replicas.includes(port))).toHaveLength(3);
    expect(seen.filter((port) => port === primary)).toHaveLength(3);
    for await (const _ of service.generator(3)) break;
    await service.generator(1).return(undefined);
    const failing = service.generator(3);
    await failing.next();
    await expect(failing.throw(new RangeError('stop'))).rejects.toThrow(RangeError);
    await allBack();
  });

  it('commit a transaction at return and roll it back on throw', async () => {
    expect(await service.note('kept')).toBe(1);
    await expect(service.note('dropped', new RangeError('no'))).rejects.toThrow(RangeError);
    expect(await notes()).toEqual(['kept']);
    await allBack();
  });

  it('commit when an Observable completes or a generator ends, and roll back when they are left', async () => {
    expect(await lastValueFrom(service.noteObservable('one'))).toBe('done');
    expect(await firstValueFrom(service.noteObservable('left'))).toBe('left');
    for await (const _ of service.noteGenerator('two'));
    for await (const _ of service.noteGenerator('left')) break;
    await allBack();
    expect(await notes()).toEqual(['one', 'two']);
  });

  it('set isolation, read-only and deferrable', async () => {
    expect(await service.settings()).toEqual({
      isolation: 'serializable',
      read_only: 'on',
      deferrable: 'on',
    });
  });

  it("keep a method's name, length and metadata, whatever the order", () => {
    expect(service.decorated.name).toBe('decorated');
    expect(service.decorated).toHaveLength(2);
    expect(Reflect.getMetadata('audience', service.decorated)).toBe('inner');
    expect(Reflect.getMetadata('audience', service.decoratedOutside)).toBe('outer');
    expect(Reflect.getMetadata('design:returntype', Ports.prototype, 'decorated')).toBe(Promise);
  });

  it('say what is missing where Nest did not make the instance, or the cluster has another name', async () => {
    expect(() => new Ports(cluster).onReplica()).toThrow(
      /Ports\.onReplica has no cluster: import PgMcpModule/,
    );
    class Elsewhere {
      @UseReplica({ cluster: 'reports' })
      async read() {}
    }
    const other = await Test.createTestingModule({
      imports: [PgMcpModule.forRoot({ config: database.config })],
      providers: [Elsewhere],
    }).compile();
    expect(() => other.get(Elsewhere).read()).toThrow(/no cluster "reports".*there are: "default"/);
    await other.close();
  });

  it('refuse what they can not decorate, and bad options, when the class is defined', () => {
    const property = Object.assign({}, { value: 1 });
    expect(() => UseReplica()(class {}.prototype, 'field', { value: property })).toThrow(
      /methods of an instance only/,
    );
    expect(() => UseReplica({ maxLag: '5 parsecs' })).toThrow(/maxLag.*5 parsecs/);
    expect(() => UseReplica({ onUnavailable: 'panic' as never })).toThrow(/onUnavailable.*panic/);
  });

  it('keep two applications in one process apart', async () => {
    const other = await freshDatabase();
    const second = await Test.createTestingModule({
      imports: [PgMcpModule.forRoot({ config: other.config })],
      providers: [Ports],
    }).compile();
    await second.get(PgCluster).query('CREATE TABLE notes (text text)');
    await second.get(Ports).note('in the second');
    expect(await notes()).toEqual([]);
    await second.close();
    expect(await service.note('in the first')).toBe(1);
  });
});
