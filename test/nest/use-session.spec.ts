import { Injectable, SetMetadata } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { PgCluster, PgMcpModule, UseMaster, UseReplica, UseSession } from 'nestjs-pg-mcp';
import { defer, lastValueFrom, type Observable } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';

interface Job {
  readonly session?: string | undefined;
}

@Injectable()
class Jobs {
  constructor(readonly cluster: PgCluster) {}

  get session() {
    return this.cluster.session.current;
  }

  @UseSession({ token: ({ session }: Job) => session })
  async run(_job: Job) {
    return this.session;
  }

  @UseSession()
  async runTwice() {
    return [this.session, await this.run({})];
  }

  @UseSession()
  @SetMetadata('order', 'outside')
  async outside(_one: number, _two: number) {}

  @SetMetadata('order', 'inside')
  @UseSession()
  async inside(_one: number, _two: number) {}

  @UseSession()
  async forgetful(fault?: Error) {
    await this.cluster.getMasterConnection();
    if (fault) throw fault;
  }

  @UseSession()
  observed(): Observable<unknown> {
    return defer(() => this.cluster.getMasterConnection());
  }

  @UseSession()
  async *generated() {
    await this.cluster.getMasterConnection();
    yield this.session;
  }
}

@Injectable()
@UseReplica()
class Reports {
  constructor(readonly cluster: PgCluster) {}

  @UseSession()
  async isOnStandby() {
    return (await this.cluster.query('SELECT pg_is_in_recovery() AS standby')).rows[0].standby;
  }
}

@Injectable()
@UseReplica()
@UseSession()
class Nightly {
  constructor(readonly cluster: PgCluster) {}

  async session() {
    return this.cluster.session.current;
  }

  @UseMaster()
  async sessions() {
    return [this.cluster.session.current, await this.session()];
  }
}

let app: TestingModule;
let cluster: PgCluster;
let jobs: Jobs;

beforeAll(async () => {
  const { config } = await freshDatabase();
  app = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({
        config,
        routing: { default: 'primary' },
        session: { secret: 'of the whole application' },
      }),
    ],
    providers: [Jobs, Nightly, Reports],
  }).compile();
  await app.init();
  cluster = app.get(PgCluster);
  jobs = app.get(Jobs);
});
afterAll(() => app.close());

const active = () => cluster.getStatus().activeConnections;

/** Of a session that has written. */
function tokenOfWriter(): Promise<string | undefined> {
  return cluster.session.resume(undefined, async () => {
    await cluster.query('CREATE TABLE IF NOT EXISTS written ()');
    return cluster.session.token();
  });
}

describe('@UseSession', () => {
  it('gives each call a session of its own', async () => {
    const sessions = [cluster.session.current, await jobs.run({}), await jobs.run({})];
    expect(new Set(sessions).size).toBe(3);
  });

  it('goes on in the session that is open', async () => {
    const [outer, inner] = await jobs.runTwice();
    expect(inner).toBe(outer);
    const resumed = await cluster.session.resume(undefined, async () => [
      cluster.session.current,
      await jobs.run({}),
    ]);
    expect(resumed[1]).toBe(resumed[0]);
  });

  it('covers all methods of a class, those with a route of their own too', async () => {
    const nightly = app.get(Nightly);
    const [outer, inner] = await nightly.sessions();
    expect(inner).toBe(outer);
    expect(new Set([outer, await nightly.session(), cluster.session.current]).size).toBe(3);
  });

  it('has its own session, and one that is open, see what the token tells of', async () => {
    const session = await tokenOfWriter();
    expect((await jobs.run({})).isMarked).toBe(false);
    const own = await jobs.run({ session });
    expect(own.position).toMatchObject({ lsn: expect.any(BigInt) });
    const open = await cluster.session.resume(undefined, () => jobs.run({ session }));
    expect(open.position).toEqual(own.position);
  });

  it('does without a token that is forged, and counts it', async () => {
    expect((await jobs.run({ session: 'forged' })).isMarked).toBe(false);
    expect(cluster.getCounters().ignoredTokens.get('invalid')).toBe(1);
  });

  it.each([
    ['returns', () => jobs.forgetful()],
    ['throws', () => expect(jobs.forgetful(new RangeError('on purpose'))).rejects.toThrow(RangeError)],
    ['returns an Observable', () => lastValueFrom(jobs.observed())],
    [
      'is a generator',
      async () => {
        for await (const session of jobs.generated()) expect(session).not.toBe(cluster.session.current);
      },
    ],
  ])('gives back what was forgotten where the method %s', async (_how, use) => {
    await use();
    // It is reset before it counts as idle.
    await expect.poll(active).toBe(0);
  });

  it("keeps the method's name, length and metadata, in either order", () => {
    for (const method of ['outside', 'inside'] as const) {
      expect([jobs[method].name, jobs[method].length]).toEqual([method, 2]);
      expect(Reflect.getMetadata('order', jobs[method])).toBe(method);
    }
  });

  it("leaves the route to the class's decorator", async () => {
    expect(await app.get(Reports).isOnStandby()).toBe(true);
  });
});
