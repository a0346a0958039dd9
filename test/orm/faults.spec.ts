import 'reflect-metadata';
import { Test, type TestingModule } from '@nestjs/testing';
import { PgCluster, PgMcpModule } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DrizzleAuthors, DrizzleModule } from '../../sample-app/orm/drizzle.module.js';
import { KnexAuthors, KnexModule } from '../../sample-app/orm/knex.module.js';
import { KyselyAuthors, KyselyModule } from '../../sample-app/orm/kysely.module.js';
import { MikroOrmAuthors, MikroOrmModule } from '../../sample-app/orm/mikro-orm.module.js';
import { PrismaAuthors, PrismaModule, type Client } from '../../sample-app/orm/prisma.module.js';
import { SequelizeAuthors, SequelizeModule } from '../../sample-app/orm/sequelize.module.js';
import { TypeOrmAuthors, TypeOrmModule } from '../../sample-app/orm/typeorm.module.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { givenBack, TABLES, type Authors } from './contract.js';
import { generateClient, type Generated } from './prisma-client.js';

let servers: EmbeddedCluster;
let app: TestingModule;
let cluster: PgCluster;
let prisma: Generated<Client>;
let orms: readonly Authors[];

beforeAll(async () => {
  prisma = await generateClient();
  servers = await EmbeddedCluster.start({ replicas: 2 });
  for (const table of TABLES) await servers.primary.query(table);
  await servers.primary.query(
    'GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC',
  );
});

afterAll(async () => {
  await app?.close();
  await servers?.stop();
  await prisma?.[Symbol.asyncDispose]();
});

const health = (name: string) => cluster.getStatus().nodes.find((node) => node.name === name)?.health;

const untilUp = (name: string) =>
  until(() => health(name) === 'up', { deadlineMs: 10_000, what: `${name} to be up` });

/** By each ORM, with transactions of their own and without. */
async function writeAndRead(what: string): Promise<void> {
  for (const [place, orm] of orms.entries()) {
    const [one, two] = [`${what} ${place}`, `${what} ${place}, with notes`];
    await orm.add(one);
    await orm.addWithNotes(two, ['a']);
    expect((await orm.names()).slice(-2)).toEqual([one, two]);
  }
}

it('start with a dead replica', async () => {
  await sure(servers.replicas[1]).kill();
  app = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({
        config: servers.config,
        healthCheck: { interval: '200ms', timeout: '500ms' },
        connectionPool: { acquireTimeout: '10s' },
      }),
      TypeOrmModule,
      SequelizeModule,
      KnexModule,
      DrizzleModule,
      KyselyModule,
      MikroOrmModule,
      PrismaModule.forClient(prisma.PrismaClient),
    ],
  }).compile();
  await app.init();
  cluster = app.get(PgCluster);
  orms = [
    TypeOrmAuthors,
    SequelizeAuthors,
    KnexAuthors,
    DrizzleAuthors,
    KyselyAuthors,
    MikroOrmAuthors,
    PrismaAuthors,
  ].map((authors) => app.get<Authors>(authors));
  await writeAndRead('dead replica');
  await givenBack(cluster);
});

it('read what they wrote while no replica replays', async () => {
  const [replica] = servers.replicas;
  await sure(replica).pauseReplay();
  await writeAndRead('paused');
  await sure(replica).resumeReplay();
});

it('lose no read with the replica that dies under them', async () => {
  const [dying, back] = servers.replicas;
  await sure(back).start();
  await untilUp(sure(back).name);
  let reads = 0;
  let isOver = false;
  const reading = orms.map(async (orm) => {
    for (; !isOver; reads++) await orm.names();
  });
  const some = (count: number) => until(() => reads > count, { deadlineMs: 10_000, what: 'more reads' });
  await some(30);
  await sure(dying).kill();
  await some(reads + 30);
  isOver = true;
  await Promise.all(reading);
});

it('write after a failover, and after the former primary is back as a replica', async () => {
  const former = servers.primary;
  const heir = sure(servers.replicas.find(({ name }) => health(name) === 'up'));
  await former.kill();
  await heir.promote();
  await until(() => cluster.getStatus().primary === heir.name, { deadlineMs: 10_000, what: 'the heir' });
  await writeAndRead('failover');
  await servers.rejoin(former);
  await untilUp(former.name);
  await writeAndRead('rejoined');
  await givenBack(cluster);
});
