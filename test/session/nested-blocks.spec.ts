import { AsyncResource } from 'node:async_hooks';
import { PgCluster, RequestScope } from 'nestjs-pg-mcp';
import { from, lastValueFrom } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';

let database: FreshDatabase;
let cluster: PgCluster;
const unhandled: unknown[] = [];
const collect = (reason: unknown) => unhandled.push(reason);

beforeAll(async () => {
  process.on('unhandledRejection', collect);
  database = await freshDatabase();
  cluster = PgCluster.fromConfig(database.config, {
    connectionPool: { maxConnections: 5, acquireTimeout: '400ms' },
  });
  await cluster.connect();
  await cluster.query('CREATE TABLE notes (text text PRIMARY KEY)');
});

afterAll(async () => {
  process.off('unhandledRejection', collect);
  await cluster.close();
});

beforeEach(async () => {
  await cluster.query('TRUNCATE notes');
});

afterEach(async () => {
  await until(() => active() === 0, { deadlineMs: 2_000, what: 'every connection back' });
  expect(unhandled.splice(0)).toEqual([]);
});

const active = () => cluster.getStatus().activeConnections;
const note = (text: string) => cluster.query('INSERT INTO notes VALUES ($1)', [text]);
const notes = async () =>
  (await cluster.query<{ text: string }>('SELECT text FROM notes ORDER BY text')).rows.map(
    ({ text }) => text,
  );
const standby = async () =>
  (await cluster.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')).rows[0]?.standby;
const forever = () => new Promise<never>(() => {});

describe('a nested transaction', () => {
  it('lets a lease of the outer one run within it', async () => {
    await cluster.transaction(async () => {
      const lease = await cluster.getConnection();
      await lease.query(`INSERT INTO notes VALUES ('outer')`);
      await expect(
        cluster.transaction(async () => {
          await note('inner');
          await lease.query(`INSERT INTO notes VALUES ('inner, by the lease')`);
          throw new RangeError('undo both');
        }),
      ).rejects.toThrow(RangeError);
      await lease.query(`INSERT INTO notes VALUES ('outer again')`);
    });
    expect(await notes()).toEqual(['outer', 'outer again']);
  });

  it('lets a lease of the session scope run within it', async () => {
    await cluster.useMaster({ session: true }, async () => {
      const lease = await cluster.getConnection();
      await cluster.transaction(async () => {
        await note('statement');
        await lease.query(`INSERT INTO notes VALUES ('lease')`);
      });
    });
    expect(await notes()).toEqual(['lease', 'statement']);
  });

  it('keeps nobody waiting before its first statement, nor when it has none', async () => {
    await cluster.transaction(async () => {
      const never = cluster.transaction(async function* () {
        yield await note('never');
      });
      let proceed: () => void = () => {};
      const proceeding = new Promise<void>((resolve) => (proceed = resolve));
      const later = cluster.transaction(async () => {
        await proceeding;
        await note('nested');
      });
      await note('outer');
      proceed();
      await later;
      expect(never).toBeDefined();
    });
    expect(await notes()).toEqual(['nested', 'outer']);
  });

  it('is undone as a whole, whatever was undone within it before', async () => {
    await cluster.transaction(async () => {
      const nested = cluster.transaction(async () => {
        await note('a');
        const innermost = cluster.transaction(async () => {
          await note('b');
          throw new RangeError('inner');
        });
        await expect(innermost).rejects.toThrow('inner');
        await note('c');
        throw new RangeError('outer');
      });
      await expect(nested).rejects.toThrow('outer');
    });
    expect(await notes()).toEqual([]);
  });

  it('that ran nothing takes no turn after its end', async () => {
    await cluster.transaction(async () => {
      let late: () => Promise<unknown> = async () => {};
      await cluster.transaction(async () => {
        late = AsyncResource.bind(() => note('late'));
      });
      await expect(late()).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
      await note('outer');
    });
    expect(await notes()).toEqual(['outer']);
  });

  it('has the connection to itself from the first statement of one nested in it', async () => {
    await cluster.transaction(async () => {
      let hasBegun: () => void = () => {};
      const begun = new Promise<void>((resolve) => (hasBegun = resolve));
      const nested = cluster.transaction(async () => {
        await cluster.transaction(() => note('innermost'));
        hasBegun();
        await cluster.query('SELECT pg_sleep(0.1)');
        throw new RangeError('on purpose');
      });
      const settled = expect(nested).rejects.toThrow('on purpose');
      await begun;
      await Promise.all([settled, note('beside')]);
    });
    expect(await notes()).toEqual(['beside']);
  });

  it('is given up with the outer one, which does not wait for it', async () => {
    const failing = cluster.transaction(async () => {
      let isUnderWay: () => void = () => {};
      const underWay = new Promise<void>((resolve) => (isUnderWay = resolve));
      void cluster.transaction(async () => {
        await note('outer of the nested');
        void cluster.transaction(async () => {
          await note('innermost');
          isUnderWay();
          await forever();
        });
        await forever();
      });
      await underWay;
      throw new RangeError('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    expect(await notes()).toEqual([]);
  });

  it('fails a statement of the outer one that it waits for, instead of both waiting for ever', async () => {
    const rows = cluster.transaction(async () => {
      const nested = cluster.transaction(async function* () {
        await note('nested');
        yield 1;
      });
      for await (const _ of nested) await note('outer');
    });
    await expect(rows).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      message: expect.stringMatching(/a nested transaction or a COPY has it and runs nothing/),
    });
    expect(await notes()).toEqual([]);
  });

  it('that works takes its time, and who waits for it waits', async () => {
    await cluster.transaction(async () => {
      await Promise.all([
        cluster.transaction(async () => {
          for (let i = 0; i < 3; i++) await cluster.query('SELECT pg_sleep(0.25)');
          await cluster.query('SELECT pg_sleep(0.9)');
          await note('nested');
        }),
        note('outer'),
      ]);
    });
    expect(await notes()).toEqual(['nested', 'outer']);
  });

  it('that only reads refuses to write, and the outer one goes on writing', async () => {
    await cluster.transaction(async () => {
      await expect(cluster.transaction({ readOnly: true }, () => note('a'))).rejects.toMatchObject({
        code: '25006',
      });
      await note('b');
    });
    expect(await notes()).toEqual(['b']);
  });
});

describe('a transaction', () => {
  it('that is serializable and only reads goes to the primary from a replica scope', async () => {
    const options = { isolation: 'serializable', readOnly: true } as const;
    expect(await cluster.useReplica(() => cluster.transaction(options, standby))).toBe(false);
  });

  it.each([0, -1, 0.5, Number.NaN])('ends its retries, told %d of them', async (retry) => {
    let runs = 0;
    const conflict = Object.assign(new Error('conflict'), { code: '40001' });
    const failing = cluster.transaction({ retry }, async () => {
      runs++;
      throw conflict;
    });
    await expect(failing).rejects.toBe(conflict);
    expect(runs).toBeLessThanOrEqual(2);
  });

  it.each([['a text'], [undefined], [null], [{ code: '40001' }]])(
    'gives on what is no Error: %j',
    async (thrown) => {
      const failing = cluster.transaction(async () => {
        await note('a');
        throw thrown;
      });
      await expect(failing.catch((reason: unknown) => ({ reason }))).resolves.toEqual({ reason: thrown });
      expect(await notes()).toEqual([]);
    },
  );

  it('turns a plain result into a promise, and fails where its commit does', async () => {
    await cluster.query('CREATE TABLE IF NOT EXISTS pairs (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)');
    const committing = cluster.transaction(() => {
      void cluster.query('INSERT INTO pairs VALUES (1), (1)');
      return 5;
    });
    await expect(committing).rejects.toMatchObject({ code: '23505' });
    expect(await cluster.transaction(() => 5)).toBe(5);
  });

  it('that is given up while its commit waits for its statements is rolled back, and says so', async () => {
    const request = new RequestScope();
    const running = cluster.runInRequest(request, () =>
      cluster.transaction(() => {
        void note('a');
        void cluster.query('SELECT pg_sleep(0.1)');
      }),
    );
    const settled = expect(running).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
    await until(() => active() === 1, { deadlineMs: 2_000, what: 'its beginning' });
    const sleeping = async () =>
      (
        await cluster.query(
          `SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(0.1)' AND state = 'active'`,
        )
      ).rowCount;
    await until(sleeping, { deadlineMs: 2_000, what: 'its last statement' });
    await request.abandon();
    await settled;
    expect(await notes()).toEqual([]);
  });

  it('says to begin statements at subscription where an Observable began them before', async () => {
    const eager = cluster.transaction(() => from(note('eager')));
    await expect(lastValueFrom(eager)).rejects.toMatchObject({
      code: 'TRANSACTION_ENDED',
      message: expect.stringMatching(/when it is subscribed to \(defer\)/),
    });
  });
});

describe('a session scope', () => {
  it('runs what was asked for before its end, awaited or not', async () => {
    await cluster.useMaster({ session: true }, async () => {
      void note('a');
      void note('b');
    });
    expect(await notes()).toEqual(['a', 'b']);
  });

  it('refuses what waits when its request is given up', async () => {
    const request = new RequestScope();
    const outcomes = cluster.runInRequest(request, () =>
      cluster.useMaster({ session: true }, () =>
        Promise.allSettled([cluster.query('SELECT pg_sleep(0.1)'), note('waits')]),
      ),
    );
    await until(() => active() === 1, { deadlineMs: 2_000, what: 'a connection held' });
    await request.abandon();
    expect(await outcomes).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'LEASE_RELEASED' } },
    ]);
    expect(await notes()).toEqual([]);
  });
});

describe('a lease', () => {
  it('leaves no lock of its session behind, though no command told of one', async () => {
    const lease = await cluster.getMasterConnection();
    await lease.query('SELECT pg_advisory_lock(7)');
    await lease.release();
    const locks = async () =>
      (await cluster.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7`)).rowCount;
    await until(async () => (await locks()) === 0, { deadlineMs: 2_000, what: 'the lock gone' });
  });
});

describe('a replica lease', () => {
  it('refuses a write by its own name', async () => {
    await using lease = await cluster.getReplicaConnection();
    await expect(lease.query(`INSERT INTO notes VALUES ('a')`)).rejects.toMatchObject({
      code: 'WRITE_ON_REPLICA',
      reason: 'write',
    });
  });
});
