import 'reflect-metadata';
import { Test, type TestingModule } from '@nestjs/testing';
import { PgCluster, PgMcpModule } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KnexAuthors, KnexModule } from '../../sample-app/orm/knex.module.js';
import { SequelizeAuthors, SequelizeModule } from '../../sample-app/orm/sequelize.module.js';
import { TypeOrmAuthors, TypeOrmModule } from '../../sample-app/orm/typeorm.module.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { givenBack, TABLES, type Authors } from './contract.js';

let servers: EmbeddedCluster;
let app: TestingModule;
let cluster: PgCluster;
let orms: readonly Authors[];

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 2 });
  for (const table of TABLES) await servers.primary.query(table);
  await servers.primary.query(
    'GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC',
  );
});

afterAll(async () => {
  await app?.close();
  await servers.stop();
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
    ],
  }).compile();
  await app.init();
  cluster = app.get(PgCluster);
  orms = [app.get(TypeOrmAuthors), app.get(SequelizeAuthors), app.get(KnexAuthors)];
  await writeAndRead('dead replica');
  await givenBack(cluster);
});

it('lose no read with the replica that dies under them', async () => {
  const [dying, back] = servers.replicas.map((replica) => sure(replica));
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
