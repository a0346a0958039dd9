import { RequestScope } from 'nestjs-pg-mcp';
import { describe, expect, it } from 'vitest';
import { fakeCluster, type FakeCluster } from './fake-cluster.js';
import { inSession, nodeOf, READ, REPLICA, told, WRITE } from './in-session.js';

describe('a session is marked by', () => {
  const isHeld = async (fake: FakeCluster, work: () => Promise<unknown>) =>
    inSession(fake, async () => {
      await work().catch(() => {});
      return (await nodeOf(fake)) === 'p';
    });

  it.each<[string, boolean, (fake: FakeCluster) => Promise<unknown>]>([
    ['a write', true, ({ cluster }) => cluster.query(WRITE)],
    ['what can not be parsed', true, ({ cluster }) => cluster.query('SELEC 1')],
    ['no read', false, ({ cluster }) => cluster.query('SELECT 8')],
    ['no read on the primary', false, ({ cluster }) => cluster.useMaster(() => cluster.query('SELECT 8'))],
    ['a write in a primary scope', true, ({ cluster }) => cluster.useMaster(() => cluster.query(WRITE))],
    [
      'a write on a held connection',
      true,
      ({ cluster }) => cluster.useMaster({ session: true }, () => cluster.query(WRITE)),
    ],
    [
      'no read on a held connection',
      false,
      ({ cluster }) => cluster.useMaster({ session: true }, () => cluster.query('SELECT 8')),
    ],
    [
      'a setting with a write in one text',
      true,
      ({ cluster }) =>
        cluster.useMaster({ session: true }, () => cluster.query(`SET work_mem = 1; ${WRITE}`)),
    ],
    [
      'a setting with a write in one text of a transaction',
      true,
      ({ cluster }) => cluster.transaction(() => cluster.query(`SET LOCAL work_mem = 1; ${WRITE}`)),
    ],
    [
      'no setting with a read in one text of a transaction',
      false,
      ({ cluster }) => cluster.transaction(() => cluster.query('SET LOCAL work_mem = 1; SELECT 8')),
    ],
    [
      'no setting on a held connection',
      false,
      ({ cluster }) => cluster.useMaster({ session: true }, () => cluster.query('SET work_mem = 1')),
    ],
    [
      'no transaction that only reads',
      false,
      ({ cluster }) => cluster.transaction(() => cluster.query('SELECT 8')),
    ],
    ['a transaction with a write', true, ({ cluster }) => cluster.transaction(() => cluster.query(WRITE))],
    [
      'a transaction with a write in a savepoint',
      true,
      ({ cluster }) => cluster.transaction(() => cluster.transaction(() => cluster.query(WRITE))),
    ],
    [
      'a transaction that wrote and rolled back: it may have taken numbers',
      true,
      ({ cluster }) =>
        cluster.transaction(async () => {
          await cluster.query(WRITE);
          throw new RangeError('on purpose');
        }),
    ],
    ['no transaction without a statement', false, ({ cluster }) => cluster.transaction(async () => {})],
    [
      'no transaction that is read-only',
      false,
      ({ cluster }) => cluster.transaction({ readOnly: true }, () => cluster.query(WRITE)),
    ],
    [
      'a lease that wrote',
      true,
      async ({ cluster }) => {
        await using lease = await cluster.getMasterConnection();
        await lease.query(WRITE);
      },
    ],
    [
      'no lease that only read',
      false,
      async ({ cluster }) => {
        await using lease = await cluster.getMasterConnection();
        await lease.query('SELECT 8');
      },
    ],
    [
      'a lease of a transaction that wrote',
      true,
      ({ cluster }) =>
        cluster.transaction(async () => {
          const lease = await cluster.getConnection();
          await lease.query(WRITE);
        }),
    ],
    [
      'a transaction whose client was taken',
      true,
      ({ cluster }) => cluster.transaction(async () => void (await cluster.getConnection()).client),
    ],
    [
      'a write that failed',
      true,
      (fake) => {
        fake.answer = (text) => (text === WRITE ? Object.assign(new Error(), { code: '23505' }) : undefined);
        return fake.cluster.query(WRITE);
      },
    ],
    [
      'a write whose connection broke',
      true,
      (fake) => {
        fake.answer = (text, connection) => {
          if (text === WRITE) connection.break();
          return undefined;
        };
        return fake.cluster.query(WRITE);
      },
    ],
    [
      'a COMMIT whose connection broke',
      true,
      (fake) => {
        fake.answer = (text, connection) => {
          if (text === 'COMMIT') connection.break();
          return undefined;
        };
        return fake.cluster.transaction(() => fake.cluster.query(WRITE));
      },
    ],
    [
      'no write that was refused in a replica scope',
      false,
      ({ cluster }) => cluster.useReplica(() => cluster.query(WRITE)),
    ],
  ])('%s', async (_, isMarked, work) => {
    await using fake = await fakeCluster();
    expect(await isHeld(fake, () => work(fake))).toBe(isMarked);
  });

  it('a write at its end: a sample that began meanwhile does not count', async () => {
    await using fake = await fakeCluster();
    let finish = () => {};
    fake.answer = (text) =>
      text === WRITE ? new Promise((resolve) => (finish = () => resolve([]))) : undefined;
    await inSession(fake, async () => {
      const writing = fake.cluster.query(WRITE);
      await fake.clock.advance(1);
      await fake.probe();
      finish();
      await writing;
      expect(await nodeOf(fake)).toBe('p');
    });
  });

  it('a transaction from its first write on, and by its end', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      const { current } = fake.cluster.session;
      await fake.cluster.transaction(async () => {
        expect(current.isMarked).toBe(false);
        await fake.cluster.query(WRITE);
        expect(current.isMarked).toBe(true);
        await fake.probe();
        // A token for a job that is written in the same transaction: its reader waits for a later sample.
        expect(await fake.cluster.session.token()).toMatch(/\.-\./);
      });
      expect(current.isMarked).toBe(true);
      expect(await nodeOf(fake)).toBe('p');
    });
  });
});

describe('a transaction', () => {
  it.each([
    [{ readOnly: true }, 'BEGIN READ ONLY'],
    [{ readOnly: true, isolation: 'repeatable read' }, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'],
  ] as const)('that only reads runs on a replica: %j', async (options, begin) => {
    await using fake = await fakeCluster();
    await fake.cluster.transaction(options, () => fake.cluster.query(READ));
    expect([fake.sent('p'), [...fake.sent('r1'), ...fake.sent('r2')]]).toEqual([[], [begin, READ, 'COMMIT']]);
  });

  it.each([
    ['it may write', {}, {}],
    ['it is serializable', { readOnly: true, isolation: 'serializable' }, {}],
    ['all is for the primary', { readOnly: true }, { routing: { default: 'primary' } }],
    ['reads stay there for now', { readOnly: true }, { routing: { mode: 'shadow' } }],
    ['all is to be strong', { readOnly: true }, { consistency: 'strong' }],
  ] as const)('runs on the primary where %s', async (_why, options, settings) => {
    await using fake = await fakeCluster(settings);
    expect(await fake.cluster.transaction(options, () => nodeOf(fake))).toBe('p');
  });

  it('that only reads runs on the primary in a primary scope, and on a replica in a replica scope', async () => {
    await using fake = await fakeCluster({ routing: { default: 'primary' } });
    const reading = () => fake.cluster.transaction({ readOnly: true }, () => nodeOf(fake));
    expect(await fake.cluster.useMaster(reading)).toBe('p');
    expect(await fake.cluster.useReplica(reading)).toEqual(REPLICA);
  });

  it('that only reads sees what its session has written', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      const reading = () => fake.cluster.transaction({ readOnly: true }, () => nodeOf(fake));
      await fake.cluster.query(WRITE);
      expect(await reading()).toBe('p');
      await told(fake);
      expect(await reading()).toEqual(REPLICA);
    });
  });
});

describe('a lease whose client was taken', () => {
  it('holds its session to the primary until it is released', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      const lease = await fake.cluster.getMasterConnection();
      expect(await nodeOf(fake)).toEqual(REPLICA);
      expect(lease.client).toBeDefined();
      await told(fake);
      expect(await nodeOf(fake)).toBe('p');
      await lease.release();
      expect(await nodeOf(fake)).toBe('p');
      await told(fake);
      expect(await nodeOf(fake)).toEqual(REPLICA);
    });
  });

  it('counts once, however often it is taken and released', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      const lease = await fake.cluster.getMasterConnection();
      expect(lease.client).toBe(lease.client);
      await lease.release();
      await lease.release();
      await told(fake);
      expect(await nodeOf(fake)).toEqual(REPLICA);
    });
  });

  it('of a replica holds nobody', async () => {
    await using fake = await fakeCluster();
    await inSession(fake, async () => {
      await using lease = await fake.cluster.getReplicaConnection();
      expect(lease.client).toBeDefined();
      expect(await nodeOf(fake)).toEqual(REPLICA);
    });
  });

  it('in a scope that holds the connection holds it until that ends', async () => {
    await using fake = await fakeCluster();
    await fake.cluster.useMaster({ session: true }, async () => {
      const lease = await fake.cluster.getConnection();
      expect(lease.client).toBeDefined();
    });
    expect(await nodeOf(fake)).toBe('p');
    await told(fake);
    expect(await nodeOf(fake)).toEqual(REPLICA);
  });

  it('taken once more after the release holds nobody', async () => {
    await using fake = await fakeCluster();
    const lease = await fake.cluster.getMasterConnection();
    await lease.release();
    expect(lease.client).toBeDefined();
    await told(fake);
    expect(await nodeOf(fake)).toEqual(REPLICA);
  });

  it('that is forgotten holds its request no longer than to the answer', async () => {
    await using fake = await fakeCluster();
    const request = new RequestScope();
    await fake.cluster.runInRequest(request, async () => {
      const lease = await fake.cluster.getMasterConnection();
      expect(lease.client).toBeDefined();
    });
    await request.end();
    await told(fake);
    expect(await fake.cluster.runInRequest(request, () => nodeOf(fake))).toEqual(REPLICA);
  });
});

describe('definitions are looked at again', () => {
  const isLook = (text: string) => text.includes('AS fingerprint');
  const looks = ({ driver }: FakeCluster) =>
    driver.connections.flatMap(({ statements }) => statements).filter(isLook).length;

  it.each([
    ['CREATE TABLE t (id int)', true],
    ['SET work_mem = 1; CREATE TABLE t (id int)', true],
    ['CREATE TEMP TABLE t (id int)', false],
    ['SET work_mem = 1', false],
    [WRITE, false],
  ])('after %s in a transaction or on a held connection: %s', async (text, isLooked) => {
    await using fake = await fakeCluster();
    for (const scope of [
      (work: () => Promise<unknown>) => fake.cluster.transaction(work),
      (work: () => Promise<unknown>) => fake.cluster.useMaster({ session: true }, work),
    ]) {
      const before = looks(fake);
      await scope(() => fake.cluster.query(text));
      await fake.clock.advance(1_000);
      expect(looks(fake) > before).toBe(isLooked);
    }
  });
});
