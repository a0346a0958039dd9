import type { INestApplication } from '@nestjs/common';
import { Query, Resolver, Subscription } from '@nestjs/graphql';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { PgCluster, PgMcpModule, UseMaster } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';
import { sure } from '../support/sure.js';
import { servers } from './entrances/graphql.js';
import { GraphqlSocket } from './entrances/graphql-socket.js';

const NOTHING = new Promise<never>(() => {});

@Resolver()
class Feed {
  readonly sessions: PgCluster['session']['current'][] = [];

  constructor(readonly cluster: PgCluster) {}

  @Query(() => String)
  nothing(): string {
    return 'which a schema needs';
  }

  @Subscription(() => String)
  async *session() {
    this.sessions.push(this.cluster.session.current);
    yield { session: '' };
  }

  @Subscription(() => String)
  async *forgetful() {
    await this.cluster.getMasterConnection();
    yield { forgetful: '' };
  }

  @Subscription(() => String)
  @UseMaster({ transaction: true })
  async *failing() {
    await this.cluster.query(`INSERT INTO heard VALUES ('of a failure')`);
    yield { failing: '' };
    throw new RangeError('on purpose');
  }

  @UseMaster({ transaction: true })
  @Subscription(() => String)
  async *endless() {
    await this.cluster.query(`INSERT INTO heard VALUES ('of no end')`);
    yield { endless: '' };
    yield await NOTHING;
  }
}

describe.each([
  { server: servers.Apollo, name: 'Apollo', on: 'Express' },
  { server: servers.Apollo, name: 'Apollo', on: 'Fastify' },
  { server: servers.Mercurius, name: 'Mercurius', on: 'Fastify' },
])('a subscription of $name on $on', ({ name, server, on }) => {
  let app: INestApplication;
  let cluster: PgCluster;
  let socket: GraphqlSocket;
  const active = () => cluster.getStatus().activeConnections;

  beforeAll(async () => {
    const { config } = await freshDatabase();
    const module = await Test.createTestingModule({
      imports: [PgMcpModule.forRoot({ config }), server()],
      providers: [Feed],
    }).compile();
    app =
      on === 'Fastify'
        ? module.createNestApplication(new FastifyAdapter(), { logger: false })
        : module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    cluster = app.get(PgCluster);
    await cluster.query('CREATE TABLE heard (text text)');
    socket = await GraphqlSocket.open(app);
  });
  afterAll(() => app.close());

  it('is in a session that is not the one of the process', async () => {
    const { sessions } = app.get(Feed);
    await socket.ask('subscription { session }');
    await socket.ask('subscription { session }');
    expect(sessions).toHaveLength(2);
    expect(sessions).not.toContain(cluster.session.current);
    // Mercurius has one for the connection.
    expect(new Set(sessions).size).toBe(name === 'Mercurius' ? 1 : 2);
  });

  it('of Mercurius goes on in the session of the request that opens its connection', async () => {
    const token = await cluster.session.resume(undefined, async () => {
      await cluster.query(`DELETE FROM heard`);
      return cluster.session.token();
    });
    const other = await GraphqlSocket.open(app, { 'x-pg-session': sure(token) });
    await other.ask('subscription { session }');
    expect(app.get(Feed).sessions.at(-1)?.isMarked).toBe(name === 'Mercurius');
    other.cut();
  });

  it.each(['failing', 'endless'])('gives back what it holds when it is left: %s', async (field) => {
    await socket.ask(`subscription { ${field} }`);
    await expect.poll(active).toBe(0);
    expect((await cluster.query('SELECT * FROM heard')).rows).toEqual([]);
  });

  it.each(['forgetful', 'endless'])('gives back what it holds when its client is gone: %s', async (field) => {
    const other = await GraphqlSocket.open(app);
    await other.ask(`subscription { ${field} }`);
    other.cut();
    await expect.poll(active).toBe(0);
  });
});
