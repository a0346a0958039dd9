import { PgCluster, RequestScope } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';

let cluster: PgCluster;
let config: FreshDatabase['config'];

beforeAll(async () => {
  ({ config } = await freshDatabase());
  cluster = PgCluster.fromConfig(config, {
    connectionPool: { maxConnections: 5, acquireTimeout: '3s' },
    consistency: 'eventual',
  });
  await cluster.connect();
  await cluster.query('CREATE TABLE notes (text text PRIMARY KEY)');
  // The catalog is read anew behind it, on a connection that the tests would count.
  await cluster.explainRoute('SELECT text FROM notes');
});

afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.query('TRUNCATE notes');
});

const note = (text: string) => cluster.query('INSERT INTO notes VALUES ($1)', [text]);
const notes = async () =>
  (
    await cluster.useMaster(() => cluster.query<{ text: string }>('SELECT text FROM notes ORDER BY text'))
  ).rows.map(({ text }) => text);
const opened = () => cluster.getStatus().activeConnections;
const fault = new RangeError('on purpose');

describe('transaction', () => {
  it('commits at return, with the value of the function', async () => {
    expect(await cluster.transaction(async () => (await note('a'), 'value'))).toBe('value');
    expect(await notes()).toEqual(['a']);
  });

  it('rolls back on throw and gives the error on', async () => {
    const failing = cluster.transaction(async () => {
      await note('a');
      throw fault;
    });
    await expect(failing).rejects.toBe(fault);
    expect(await notes()).toEqual([]);
    expect(opened()).toBe(0);
  });

  it('begins with its first statement', async () => {
    await cluster.transaction(async () => {
      expect(opened()).toBe(0);
      await note('a');
      expect(opened()).toBe(1);
    });
    expect(opened()).toBe(0);
  });

  it('turns parallel statements into a queue on one connection', async () => {
    const pid = async () =>
      (await cluster.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
    const pids = await cluster.transaction(() => Promise.all(Array.from({ length: 20 }, pid)));
    expect(new Set(pids).size).toBe(1);
  });

  it('makes a nested one a savepoint: its rollback is its own', async () => {
    await cluster.transaction(async () => {
      await note('outer');
      await expect(
        cluster.transaction(async () => (await note('inner'), Promise.reject(fault))),
      ).rejects.toBe(fault);
      await cluster.transaction(async () => {
        await note('kept');
        await expect(cluster.transaction(() => note('outer'))).rejects.toMatchObject({ code: '23505' });
      });
    });
    expect(await notes()).toEqual(['kept', 'outer']);
  });

  it('runs nested siblings one after the other, and statements beside them outside of them', async () => {
    await cluster.transaction(async () => {
      const nested = (text: string, failure?: Error) =>
        cluster.transaction(async () => {
          await note(text);
          if (failure) throw failure;
          await note(`${text} again`);
        });
      const results = await Promise.allSettled([
        nested('a'),
        nested('b', fault),
        note('beside'),
        nested('c'),
      ]);
      expect(results.map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
        'fulfilled',
      ]);
    });
    expect(await notes()).toEqual(['a', 'a again', 'beside', 'c', 'c again']);
  });

  it('takes in what is decorated otherwise, and refuses a write under an inner replica scope without harm', async () => {
    await cluster.transaction(async () => {
      await note('a');
      expect(await cluster.useReplica(notes)).toEqual(['a']);
      expect(await cluster.useMaster(notes)).toEqual(['a']);
      await expect(cluster.useReplica(() => note('b'))).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA' });
      await note('c');
    });
    expect(await notes()).toEqual(['a', 'c']);
  });

  it('refuses a statement after its end', async () => {
    let late: Promise<unknown> = Promise.resolve();
    let proceed: () => void = () => {};
    const ended = new Promise<void>((resolve) => (proceed = resolve));
    await cluster.transaction(async () => {
      await note('a');
      late = ended.then(() => note('late'));
    });
    proceed();
    await expect(late).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
    expect(await notes()).toEqual(['a']);
  });

  it('runs what was asked for before its end, awaited or not', async () => {
    await cluster.transaction(async () => {
      void note('a');
      void note('b');
    });
    expect(await notes()).toEqual(['a', 'b']);
  });

  it('says so when nothing was committed because an error was caught', async () => {
    const swallowing = cluster.transaction(async () => {
      await note('a');
      await note('a').catch(() => {});
    });
    await expect(swallowing).rejects.toMatchObject({ code: 'TRANSACTION_ABORTED' });
    await cluster.transaction(async () => {
      const nested = cluster.transaction(async () => {
        await note('b');
        await note('b').catch(() => {});
      });
      await expect(nested).rejects.toMatchObject({ code: 'TRANSACTION_ABORTED' });
      await note('c');
    });
    expect(await notes()).toEqual(['c']);
  });

  it.each([
    [{}, ['read committed', 'off', 'off']],
    [{ isolation: 'repeatable read' }, ['repeatable read', 'off', 'off']],
    [{ isolation: 'serializable', readOnly: true, deferrable: true }, ['serializable', 'on', 'on']],
  ] as const)('sets %j', async (options, expected) => {
    const settings = ['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'];
    const seen = await cluster.transaction(options, () =>
      Promise.all(
        settings.map(
          async (name) => (await cluster.query(`SELECT current_setting('${name}') AS it`)).rows[0].it,
        ),
      ),
    );
    expect(seen).toEqual(expected);
  });

  it('may ask, where it only reads, whether it does', async () => {
    const { rows } = await cluster.transaction({ readOnly: true }, () =>
      cluster.query('SHOW transaction_read_only'),
    );
    expect(rows).toEqual([{ transaction_read_only: 'on' }]);
  });

  it('refuses an isolation level that is none', async () => {
    const options = { isolation: 'chaos; DROP TABLE notes' as 'serializable' };
    await expect(cluster.transaction(options, () => note('a'))).rejects.toThrow(/no isolation level/);
    expect(opened()).toBe(0);
  });

  it('runs again after a serialization failure as often as told, and counts it', async () => {
    await note('counter');
    let runs = 0;
    let allHaveRead: () => void = () => {};
    const together = new Promise<void>((resolve) => (allHaveRead = resolve));
    const contend = () =>
      cluster.transaction({ isolation: 'serializable', retry: 20 }, async () => {
        const { rows } = await cluster.query('SELECT count(*)::int AS count FROM notes');
        runs++;
        if (runs === 5) allHaveRead();
        await together;
        await note(`number ${rows[0].count}`);
      });
    await Promise.all(Array.from({ length: 5 }, contend));
    expect(await notes()).toHaveLength(6);
    expect(runs).toBeGreaterThan(5);
    expect(cluster.getCounters().retries.get('serialization')).toBe(runs - 5);
  });

  it('that only reads is on a replica, unless its scope or its isolation needs the primary', async () => {
    const where = 'SELECT pg_is_in_recovery() AS standby';
    const standby = async () => (await cluster.query<{ standby: boolean }>(where)).rows[0]?.standby;
    expect(await cluster.useReplica(() => cluster.transaction({ readOnly: true }, standby))).toBe(true);
    expect(await cluster.transaction({ readOnly: true }, standby)).toBe(true);
    expect(await cluster.useMaster(() => cluster.transaction({ readOnly: true }, standby))).toBe(false);
    expect(await cluster.transaction({ readOnly: true, isolation: 'serializable' }, standby)).toBe(false);
    expect(await cluster.useReplica(() => cluster.transaction(standby))).toBe(false);
  });

  it('uses the connection its session scope holds', async () => {
    const pid = async () =>
      (await cluster.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
    const [outside, inside, after] = await cluster.useMaster({ session: true }, async () => [
      await pid(),
      await cluster.transaction(pid),
      await pid(),
    ]);
    expect([inside, after]).toEqual([outside, outside]);
    expect(opened()).toBe(0);
  });

  it('finishes 200 at once on a pool of 5, nested and with inner replica scopes', async () => {
    const one = (i: number) =>
      cluster.useReplica(async () => {
        await cluster.query('SELECT 1');
        return cluster.transaction(async () => {
          await note(`outer ${i}`);
          await cluster.transaction(() => note(`inner ${i}`));
          return cluster.useReplica(() => cluster.query('SELECT 1'));
        });
      });
    await Promise.all(Array.from({ length: 200 }, (_, i) => one(i)));
    expect(await notes()).toHaveLength(400);
    expect(cluster.getStatus().maxConnections).toBe(15);
    expect(opened()).toBe(0);
  });
});

describe('leases', () => {
  it.each([
    ['getMasterConnection', 'primary'],
    ['getReplicaConnection', 'replica'],
    ['getConnection', 'primary'],
  ] as const)('%s gives one of the %s', async (get, role) => {
    await using lease = await cluster[get]();
    expect(lease.role).toBe(role);
    const { rows } = await lease.query('SELECT pg_is_in_recovery() AS standby');
    expect(rows).toEqual([{ standby: role === 'replica' }]);
    expect(opened()).toBe(1);
  });

  it('follow their scope', async () => {
    const role = async () => {
      await using lease = await cluster.getConnection();
      return lease.role;
    };
    expect(await cluster.useReplica(role)).toBe('replica');
    expect(await cluster.useReplica(() => cluster.useMaster(role))).toBe('primary');
  });

  it('join a transaction', async () => {
    await expect(
      cluster.transaction(async () => {
        await using lease = await cluster.getConnection();
        await lease.query(`INSERT INTO notes VALUES ('leased')`);
        throw fault;
      }),
    ).rejects.toBe(fault);
    expect(await notes()).toEqual([]);
  });

  it('leave no trace of a session behind', async () => {
    // With one connection, the next call gets the very one.
    await using single = PgCluster.fromConfig(config, { connectionPool: { maxConnections: 1 } });
    await single.connect();
    const lease = await single.getMasterConnection();
    await lease.query('CREATE TEMP TABLE mine (i int)');
    await lease.query('SELECT pg_advisory_lock(7)');
    await lease.query(`SET work_mem = '1234kB'`);
    const pid = (await lease.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
    await lease.release();
    await lease.release();
    const { rows } = await single.query(
      `SELECT (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = $1) AS locks,
              to_regclass('mine') AS table, current_setting('work_mem') AS work_mem, pg_backend_pid() AS pid`,
      [pid],
    );
    expect(rows).toEqual([{ locks: 0, table: null, work_mem: '4MB', pid }]);
    await expect(lease.query('SELECT 1')).rejects.toMatchObject({ code: 'LEASE_RELEASED' });
  });

  it('with a transaction left open are closed, not handed on', async () => {
    const lease = await cluster.getMasterConnection();
    await lease.query('BEGIN');
    await lease.query(`INSERT INTO notes VALUES ('left open')`);
    await lease.release();
    expect(await notes()).toEqual([]);
    const closed = cluster.getCounters().connections.map((each) => each.closed.get('open-transaction') ?? 0);
    expect(Math.max(...closed)).toBe(1);
  });
});

describe('a request that ends before its work', () => {
  const hang = () => new Promise<never>(() => {});

  it('rolls back and gives back what it holds when the client hangs up', async () => {
    const request = new RequestScope();
    let isHeld: () => void = () => {};
    const held = new Promise<void>((resolve) => (isHeld = resolve));
    cluster.runInRequest(request, () => {
      void cluster.transaction(async () => {
        await note('given up');
        await cluster.transaction(async () => {
          await note('given up too');
          await cluster.useReplica({ session: true }, async () => {});
          isHeld();
          await hang();
        });
      });
      void cluster.useMaster({ session: true }, async () => {
        await cluster.query('SELECT 1');
        await hang();
      });
      void cluster.getReplicaConnection();
    });
    await held;
    await expect.poll(opened).toBe(3);
    await request.abandon();
    expect(opened()).toBe(0);
    expect(await notes()).toEqual([]);
  });

  it('gives forgotten leases back with the answer, and lets work behind it finish', async () => {
    const request = new RequestScope();
    let finish: () => void = () => {};
    const answered = new Promise<void>((resolve) => (finish = resolve));
    const { lease, behind } = await cluster.runInRequest(request, async () => ({
      lease: await cluster.getMasterConnection(),
      behind: cluster.transaction(async () => {
        await note('behind');
        await answered;
      }),
    }));
    await request.end();
    await expect(lease.query('SELECT 1')).rejects.toMatchObject({ code: 'LEASE_RELEASED' });
    finish();
    await behind;
    expect(await notes()).toEqual(['behind']);
  });
});

describe('what is no statement', () => {
  it.each([
    [undefined, /takes a text/],
    [null, /takes a text/],
    [{ values: [1] }, /takes a text/],
    [{ text: 'SELECT 1', submit() {} }, /a cursor or stream needs the client of a lease/],
  ])('is refused: %j', async (statement, message) => {
    await expect(cluster.query(statement as unknown as string)).rejects.toThrow(message);
    expect(opened()).toBe(0);
  });
});

describe('errors of the server', () => {
  it('pass as they are, and the connection is kept', async () => {
    const before = cluster.getCounters().connections.map(({ opened: count }) => count);
    for (let i = 0; i < 20; i++) {
      await expect(cluster.query('SELECT nothing')).rejects.toMatchObject({
        code: '42703',
        severity: 'ERROR',
      });
    }
    expect(cluster.getCounters().connections.map(({ opened: count }) => count)).toEqual(before);
  });

  it.each([
    ['a circular value', () => cluster.query('SELECT $1::json', [Object.assign([], { toPostgres: null })])],
    ['an empty text', () => cluster.query('')],
    ['several statements', () => cluster.query('SELECT 1; SELECT 2')],
  ])('leave a usable connection behind: %s', async (_what, call) => {
    await call().catch(() => {});
    expect((await cluster.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await expect.poll(opened).toBe(0);
  });
});
