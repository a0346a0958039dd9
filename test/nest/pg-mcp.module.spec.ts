import { Controller, Get, Inject, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { Test, type TestingModule, type TestingModuleBuilder } from '@nestjs/testing';
import {
  getClusterToken,
  InjectCluster,
  PgCluster,
  PgMcpModule,
  UseReplica,
  type PgMcpModuleOptions,
  type PgMcpOptionsFactory,
} from 'nestjs-pg-mcp';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';

let database: FreshDatabase;
const running: TestingModule[] = [];

beforeAll(async () => {
  database = await freshDatabase();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.close()));
});

async function start(builder: TestingModuleBuilder): Promise<TestingModule> {
  const app = await builder.compile();
  running.push(app);
  await app.init();
  return app;
}

const imports = (...modules: NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']>) =>
  Test.createTestingModule({ imports: modules });

@Injectable()
class Options implements PgMcpOptionsFactory {
  createPgMcpOptions(): PgMcpModuleOptions {
    return { config: database.config };
  }
}

@Module({
  providers: [Options, { provide: 'CONFIG', useFactory: () => database.config }],
  exports: [Options, 'CONFIG'],
})
class OptionsModule {}

@Injectable()
class Reader {
  constructor(readonly cluster: PgCluster) {}
}

@Module({ providers: [Reader], exports: [Reader] })
class FeatureModule {}

describe('PgMcpModule', () => {
  const ways: [string, () => ReturnType<typeof PgMcpModule.forRoot>][] = [
    ['forRoot with a config', () => PgMcpModule.forRoot({ config: database.config })],
    ['forRoot with the settings themselves', () => PgMcpModule.forRoot({ ...database.config })],
    [
      'forRootAsync with useFactory, imports and inject',
      () =>
        PgMcpModule.forRootAsync({
          imports: [OptionsModule],
          inject: ['CONFIG'],
          useFactory: (config: PgMcpModuleOptions['config'] & object) => ({ config }),
        }),
    ],
    ['forRootAsync with useClass', () => PgMcpModule.forRootAsync({ useClass: Options })],
    [
      'forRootAsync with useExisting',
      () => PgMcpModule.forRootAsync({ imports: [OptionsModule], useExisting: Options }),
    ],
  ];

  it.each(ways)('gives a connected cluster: %s', async (_way, module) => {
    const app = await start(imports(module(), FeatureModule));
    expect(app.get(Reader).cluster).toBe(app.get(PgCluster));
    expect((await app.get(Reader).cluster.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('passes settings over those of the config', async () => {
    const app = await start(
      imports(PgMcpModule.forRoot({ config: database.config, connectionPool: { maxConnections: 3 } })),
    );
    expect(app.get(PgCluster).getStatus().maxConnections).toBe(9);
  });

  it('is not global when told so', async () => {
    const module = PgMcpModule.forRoot({ config: database.config, isGlobal: false });
    await expect(imports(module, FeatureModule).compile()).rejects.toThrow(/PgCluster/);
  });

  it('keeps several clusters apart by name', async () => {
    @Injectable()
    class Both {
      constructor(
        readonly main: PgCluster,
        @InjectCluster('reports') readonly reports: PgCluster,
      ) {}
    }
    const other = await freshDatabase();
    const app = await start(
      Test.createTestingModule({
        imports: [
          PgMcpModule.forRoot({ config: database.config }),
          PgMcpModule.forRootAsync({ name: 'reports', useFactory: () => ({ config: other.config }) }),
        ],
        providers: [Both],
      }),
    );
    const name = async (cluster: PgCluster) =>
      (await cluster.query('SELECT current_database() AS name')).rows[0].name;
    const { main, reports } = app.get(Both);
    expect([await name(main), await name(reports)]).toEqual([database.name, other.name]);
    expect(app.get(getClusterToken('reports'))).toBe(reports);
    expect([main.name, reports.name]).toEqual(['default', 'reports']);
  });

  it.each([undefined, 'reports'])(
    'refuses the same name twice (%s), and closes what was open',
    async (name) => {
      const options = { config: database.config, ...(name !== undefined && { name }) };
      const starting = imports(PgMcpModule.forRoot(options), PgMcpModule.forRoot(options)).compile();
      await expect(starting).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('"' + (name ?? 'default') + '"'),
      });
    },
  );

  it('can be queried from onModuleInit on', async () => {
    @Injectable()
    class Early implements OnModuleInit {
      rows: unknown;
      constructor(readonly cluster: PgCluster) {}
      @UseReplica()
      async onModuleInit() {
        this.rows = (await this.cluster.query('SELECT 1 AS one')).rows;
      }
    }
    const app = await start(
      Test.createTestingModule({
        imports: [PgMcpModule.forRoot({ config: database.config })],
        providers: [Early],
      }),
    );
    expect(app.get(Early).rows).toEqual([{ one: 1 }]);
  });

  it('answers requests until the server has drained, then closes', async () => {
    let release: () => void = () => {};
    let arrived: () => void = () => {};
    const inside = new Promise<void>((resolve) => (arrived = resolve));
    const gate = new Promise<void>((resolve) => (release = resolve));
    @Controller()
    class Slow {
      constructor(@Inject(PgCluster) readonly cluster: PgCluster) {}
      @Get('slow')
      async slow() {
        arrived();
        await gate;
        return (await this.cluster.query('SELECT 1 AS one')).rows;
      }
    }
    const module = await Test.createTestingModule({
      imports: [PgMcpModule.forRoot({ config: database.config })],
      controllers: [Slow],
    }).compile();
    const app = module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    const cluster = app.get(PgCluster);
    const answer = fetch(`${await app.getUrl()}/slow`, { headers: { connection: 'close' } });
    await inside;
    const closing = app.close();
    await expect.poll(() => cluster.getStatus().state).toBe('draining');
    expect((await cluster.healthCheck()).status).toBe('down');
    release();
    expect(await (await answer).json()).toEqual([{ one: 1 }]);
    await closing;
    expect(cluster.getStatus().state).toBe('closed');
    await expect(cluster.query('SELECT 1')).rejects.toMatchObject({ code: 'CLUSTER_CLOSED' });
  });
});
