import {
  Body,
  Controller,
  Get,
  Inject,
  Injectable,
  mixin,
  Param,
  ParseIntPipe,
  Post,
  Scope,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { PgCluster, PgMcpModule, UseMaster, UseReplica } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';

const SYMBOL = Symbol('read');

@Injectable()
class Base {
  constructor(@Inject(PgCluster) readonly cluster: PgCluster) {}

  async where(): Promise<string> {
    const { rows } = await this.cluster.query(
      `SELECT pg_is_in_recovery() AS standby, current_setting('transaction_isolation') AS isolation`,
    );
    return rows[0].standby ? 'replica' : `primary, ${rows[0].isolation}`;
  }

  @UseReplica()
  overridden(): Promise<string> {
    return this.where();
  }

  @UseReplica()
  async [SYMBOL](): Promise<string> {
    return this.where();
  }

  get getter(): Promise<string> {
    return this.where();
  }
}

@Injectable()
class Derived extends Base {
  override async overridden(): Promise<string> {
    return `${await this.where()} > ${await super.overridden()}`;
  }
}

@Injectable()
@UseMaster({ transaction: { isolation: 'repeatable read' } })
class Transactional extends Base {
  @UseReplica({ cluster: 'default' })
  explicit(): Promise<string> {
    return this.where();
  }

  async together(): Promise<string> {
    return `${await this.where()} > ${await this.explicit()} > ${await this.getter}`;
  }
}

@Injectable()
@UseReplica()
class Reading extends Transactional {
  own(): Promise<string> {
    return this.where();
  }
}

function Mixin(): Type<Base> {
  class Mixed extends Base {
    @UseReplica()
    mixed(): Promise<string> {
      return this.where();
    }
  }
  return mixin(Mixed);
}
const MixedIn = Mixin();

@Injectable({ scope: Scope.TRANSIENT })
class Transient extends Base {}

@Injectable({ scope: Scope.REQUEST })
class OfRequest extends Base {}

@Injectable()
class TwoClusters {
  constructor(
    @Inject(PgCluster) readonly main: PgCluster,
    @Inject('PgCluster:other') readonly other: PgCluster,
  ) {}

  @UseReplica()
  @UseMaster({ cluster: 'other', transaction: true })
  async both(): Promise<unknown[]> {
    const sql = `SELECT pg_is_in_recovery() AS standby, current_database() AS name, now() AS now`;
    const [main, first] = [await this.main.query(sql), await this.other.query(sql)];
    const again = await this.other.query(sql);
    const isTransaction = first.rows[0].now.getTime() === again.rows[0].now.getTime();
    return [main.rows[0].standby, first.rows[0].standby, isTransaction];
  }
}

@Controller()
class Routes extends Base {
  constructor(
    @Inject(PgCluster) cluster: PgCluster,
    @Inject(OfRequest) readonly ofRequest: OfRequest,
  ) {
    super(cluster);
  }

  @UseReplica()
  @Get('outer/:id')
  outer(@Param('id', ParseIntPipe) id: number) {
    return this.show(id);
  }

  @Get('inner/:id')
  @UseReplica()
  inner(@Param('id', ParseIntPipe) id: number) {
    return this.show(id);
  }

  @Post('body')
  @UseMaster({ transaction: { isolation: 'serializable' } })
  async body(@Body('text') text: string) {
    return { text, where: await this.where(), ofRequest: await this.ofRequest.overridden() };
  }

  private async show(id: number) {
    return { id, where: await this.where(), ofRequest: await this.ofRequest.overridden() };
  }
}

let app: INestApplication;
let url: string;
let database: FreshDatabase;

beforeAll(async () => {
  const [main, other] = await Promise.all([freshDatabase(), freshDatabase()]);
  database = main;
  const module = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({ config: main.config, routing: { default: 'primary' } }),
      PgMcpModule.forRoot({ config: other.config, name: 'other' }),
    ],
    controllers: [Routes],
    providers: [Base, Derived, Transactional, Reading, MixedIn, Transient, OfRequest, TwoClusters],
  }).compile();
  app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});

afterAll(() => app.close());

describe('a decorated method', () => {
  it('may have a symbol for its name', async () => {
    expect(await app.get(Base)[SYMBOL]()).toBe('replica');
  });

  it('leaves one that overrides it alone, and serves its super call', async () => {
    expect(await app.get(Derived).overridden()).toBe('primary, read committed > replica');
  });

  it('works in a mixin, behind a proxy, and in transient providers', async () => {
    const mixed = app.get<Base & { mixed(): Promise<string> }>(MixedIn);
    expect([await mixed.mixed(), await mixed.overridden()]).toEqual(['replica', 'replica']);
    expect(await new Proxy(app.get(Base), {}).overridden()).toBe('replica');
    expect(await (await app.resolve(Transient)).overridden()).toBe('replica');
  });

  it('speaks to two clusters, each in its own way', async () => {
    expect(await app.get(TwoClusters).both()).toEqual([true, false, true]);
  });

  it('says what it misses when it is called as a mere function', () => {
    const { overridden } = Base.prototype;
    expect(() => (overridden as () => unknown)()).toThrow(/Base\.overridden has no cluster.*as a method/);
  });

  it('may be frozen, and decorated again', () => {
    const method = Object.freeze(Object.assign(async () => {}, { own: 'property' }));
    const descriptor = { value: method };
    UseReplica()(class {}.prototype, 'method', descriptor);
    Object.freeze(descriptor.value);
    UseMaster({ cluster: 'other' })(class {}.prototype, 'method', descriptor);
    expect([descriptor.value.own, descriptor.value.name]).toEqual(['property', method.name]);
  });

  it.each([
    ['a getter', () => UseReplica()(class {}.prototype, 'key', { get: () => 5 })],
    ['a static method', () => UseReplica()(class {}, 'key', { value: () => 5 })],
    ['a field', () => UseMaster()(class {}.prototype, 'key', {})],
  ])('is none: %s', (_what, decorate) => {
    expect(decorate as () => unknown).toThrow(/it works on methods of an instance only/);
  });
});

describe('a decorated class', () => {
  it('leaves methods alone that have a decorator of their own, however that names the cluster', async () => {
    const service = app.get(Transactional);
    expect(await service.where()).toBe('primary, repeatable read');
    expect(await service.explicit()).toBe('replica');
    expect(await service.overridden()).toBe('replica');
    expect(await service.getter).toBe('primary, repeatable read');
  });

  it("keeps an object's calls to itself in the scope of the first", async () => {
    expect(await app.get(Transactional).together()).toBe(
      'primary, repeatable read > primary, repeatable read > primary, repeatable read',
    );
  });

  it('wins over the class that it extends', async () => {
    const service = app.get(Reading);
    expect([await service.own(), await service.where(), await service.explicit()]).toEqual([
      'replica',
      'replica',
      'replica',
    ]);
  });
});

describe('a decorated route', () => {
  it.each(['outer', 'inner'])('has its parameters and pipes, the decorator %s', async (path) => {
    const answer = await (await fetch(`${url}/${path}/7`)).json();
    expect(answer).toEqual({ id: 7, where: 'replica', ofRequest: 'replica' });
    expect((await fetch(`${url}/${path}/seven`)).status).toBe(400);
  });

  it('has its body, and its request-scoped providers join', async () => {
    const answer = await fetch(`${url}/body`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'hello' }),
    });
    const where = 'primary, serializable';
    expect(await answer.json()).toEqual({ text: 'hello', where, ofRequest: where });
  });
});

describe('forRootAsync', () => {
  it.each([
    ['throws', () => Promise.reject(new RangeError('no options today')), /no options today/],
    ['gives nothing', () => undefined, /options: expected an object, found undefined/],
    ['gives null', () => null, /expected an object, found null/],
    ['gives a path', () => 'config/db_cluster.json', /found string; a path goes into \{ config: 'path' \}/],
    ['gives a list', () => [], /found an array/],
    ['gives an empty object', () => ({}), /masters/],
  ])('tells of a factory that %s', async (_what, factory, message) => {
    const useFactory = factory as () => { config: FreshDatabase['config'] };
    const starting = Test.createTestingModule({ imports: [PgMcpModule.forRootAsync({ useFactory })] });
    await expect(starting.compile()).rejects.toThrow(message);
  });
});

describe('closing', () => {
  it('twice is once', async () => {
    const module = await Test.createTestingModule({
      imports: [PgMcpModule.forRoot({ config: database.config })],
    }).compile();
    await module.init();
    await Promise.all([module.close(), module.close()]);
    await module.close();
    expect(module.get(PgCluster).getStatus().state).toBe('closed');
  });
});
