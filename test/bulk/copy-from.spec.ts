import { Readable } from 'node:stream';
import { RequestScope, type CopyProgress, type PgCluster } from 'nestjs-pg-mcp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.js';
import { manyPeople, peopleCluster, type Person } from './database.js';

let cluster: PgCluster;
let found: Awaited<ReturnType<typeof peopleCluster>>;

beforeAll(async () => {
  found = await peopleCluster({ connectionPool: { maxConnections: 4, acquireTimeout: '2s' } });
  ({ cluster } = found);
});

afterAll(() => found.close());
beforeEach(async () => {
  await cluster.query('TRUNCATE people');
});
// Nothing that a test does may keep a connection.
afterEach(() => found.allBack());

const fault = new RangeError('on purpose');
const ADA: Person = { id: 1, name: 'Ada', age: 36 };
const BOB: Person = { id: 2, name: null, age: 7 };
const all = async () =>
  (await cluster.useMaster(() => cluster.query<Person>('SELECT * FROM people ORDER BY id'))).rows;

async function* later<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

describe('sources of rows', () => {
  it.each([
    ['an array of objects', () => [ADA, BOB]],
    [
      'an array of arrays, in the order of the table',
      () => [
        [1, 'Ada', 36],
        [2, null, 7],
      ],
    ],
    ['an iterable', () => new Set([ADA, BOB])],
    ['an async iterable', () => later([ADA, BOB])],
    ['a stream of objects', () => Readable.from([ADA, BOB])],
  ])('%s', async (_, source) => {
    expect(await cluster.copyFrom('people', {}, source())).toEqual({ rows: 2, bytes: expect.any(Number) });
    expect(await all()).toEqual([ADA, BOB]);
  });

  it('takes nothing as nothing, in every format', async () => {
    for (const format of ['text', 'csv', 'binary'] as const)
      expect(await cluster.copyFrom('people', { format }, [])).toMatchObject({ rows: 0 });
    await expect(cluster.copyFrom('peple', {}, [])).rejects.toMatchObject({ code: '42P01' });
  });

  it('gives the columns in the order of the first row, or as they are named', async () => {
    await cluster.copyFrom('people', {}, [{ age: 36, id: 1, name: 'Ada' }, BOB]);
    await cluster.copyFrom('people', { columns: ['name', 'id'] }, [['Eve', 3]]);
    await cluster.copyFrom('people', { columns: ['id'] }, [{ id: 4, name: 'left out' }]);
    expect(await all()).toEqual([
      ADA,
      BOB,
      { id: 3, name: 'Eve', age: null },
      { id: 4, name: null, age: null },
    ]);
  });

  it('takes a key that a row lacks for NULL', async () => {
    await cluster.copyFrom('people', {}, [ADA, { id: 2, age: 7 }]);
    expect(await all()).toEqual([ADA, BOB]);
  });

  it('finds a table by its name in SQL', async () => {
    await cluster.query('CREATE SCHEMA "Odd place"');
    await cluster.query(
      'CREATE TABLE "Odd place"."order" ("from" int, "Größe" int, twice int GENERATED ALWAYS AS ("from" * 2) STORED)',
    );
    expect(await cluster.copyFrom('"Odd place".ORDER', {}, [[1, 2]])).toMatchObject({ rows: 1 });
    expect(await cluster.copyFrom('"Odd place"."order"', {}, [{ Größe: 3 }])).toMatchObject({ rows: 1 });
  });
});

describe('sources of bytes', () => {
  const TEXT = '1\tAda\t36\n2\t\\N\t7\n';
  it.each([
    ['a text', () => TEXT],
    ['bytes', () => Buffer.from(TEXT)],
    ['a stream', () => Readable.from([Buffer.from(TEXT.slice(0, 5)), Buffer.from(TEXT.slice(5))])],
    ['an async iterable of bytes', () => later([...Buffer.from(TEXT)].map((byte) => Uint8Array.of(byte)))],
    ['texts', () => [TEXT.slice(0, 3), TEXT.slice(3)]],
  ])('%s', async (_, source) => {
    expect(await cluster.copyFrom('people', {}, source())).toEqual({ rows: 2, bytes: TEXT.length });
    expect(await all()).toEqual([ADA, BOB]);
  });

  it('csv, with a header and named columns', async () => {
    const csv = 'name,id\n"A, ""B""\nC",1\n';
    await cluster.copyFrom('people', { format: 'csv', header: true, columns: ['name', 'id'] }, csv);
    expect(await all()).toEqual([{ id: 1, name: 'A, "B"\nC', age: null }]);
  });

  it('is what copyTo puts out, in every format', async () => {
    await cluster.copyFrom('people', {}, [ADA, BOB]);
    for (const format of ['text', 'csv', 'binary'] as const) {
      const out = await cluster.useMaster(() => cluster.copyTo('people', { format }).toArray());
      await cluster.query('TRUNCATE people');
      await cluster.copyFrom('people', { format }, out as Buffer[]);
      expect(await all()).toEqual([ADA, BOB]);
    }
  });
});

describe('progress', () => {
  it('is told after each batch', async () => {
    const told: CopyProgress[] = [];
    const { people } = manyPeople(5_000);
    const { bytes } = await cluster.copyFrom(
      'people',
      { batch: '16KiB', onProgress: (progress) => told.push(progress) },
      people,
    );
    expect(told.length).toBe(Math.ceil(bytes / (16 * 1024)));
    expect(told.at(-1)).toEqual({ rows: 5_000, bytes });
    expect(told.every(({ bytes: now }, i) => now > (told[i - 1]?.bytes ?? 0))).toBe(true);
  });

  it('that throws ends the COPY', async () => {
    const { made, people } = manyPeople();
    const onProgress = () => {
      throw fault;
    };
    await expect(cluster.copyFrom('people', { onProgress }, people)).rejects.toBe(fault);
    expect(made.isLeft).toBe(true);
    expect(await found.count()).toBe(0);
  });
});

describe('a row that is wrong', () => {
  it.each(['text', 'csv', 'binary'] as const)('is named by the server, in %s', async (format) => {
    const columns = ['id', 'name', 'age'];
    const rows = [
      [1, 'a', 1],
      [2, 'b', 2],
      [2 ** 31 - 1, 'c', format === 'binary' ? 3 : 'x'],
    ];
    await cluster.query('ALTER TABLE people ADD CONSTRAINT grown CHECK (age <> 3)');
    const failing = cluster.copyFrom('people', { format, columns }, rows);
    await expect(failing).rejects.toThrow(/COPY people, line 3/);
    if (format !== 'binary') await expect(failing).rejects.toThrow(/\(COPY people, line 3, column age\)$/);
    await cluster.query('ALTER TABLE people DROP CONSTRAINT grown');
    expect(await found.count()).toBe(0);
  });

  it.each<[string, unknown[], RegExp]>([
    ['too short', [[1, 'a', 1], [2]], /^row 2 has 1 values for 3 columns \(id, name, age\)/],
    ['null', [ADA, null], /^row 2 is null; expected an object/],
    ['an object among arrays', [[1, 'a', 1], BOB], /^row 2 is of type object; the first one is an array/],
    ['an array among objects', [ADA, [2]], /^row 2 is an array; expected an object/],
    ['with another key', [ADA, { ...BOB, agee: 5 }], /^row 2 has "agee", which the first row has not/],
    ['with a function', [{ id: 1, name: () => 'x' }], /^row 1, column "name": a function is no value/],
    ['with an invalid date', [{ id: 1, name: new Date(NaN) }], /^row 1, column "name": an invalid date/],
    ['bytes among rows', [ADA, Buffer.from('x')], /^row 2 is bytes/],
    ['a row among bytes', [Buffer.from('1'), ADA], /began with bytes/],
    ['of another column', [{ id: 1, nmae: 'x' }], /has no column "nmae"; did you mean "name"\?/],
    ['a number', [5], /^row 1 is of type number/],
  ])('%s', async (_, rows, message) => {
    const failing = cluster.copyFrom('people', {}, rows as Person[]);
    await expect(failing).rejects.toMatchObject({
      code: 'BULK_INPUT',
      message: expect.stringMatching(message),
    });
    expect(await found.count()).toBe(0);
  });

  it('with a reference to itself', async () => {
    const self: { me?: object } = {};
    self.me = self;
    const failing = cluster.copyFrom('people', {}, [{ id: 1, name: self }]);
    await expect(failing).rejects.toThrow(/^row 1, column "name": /);
  });
});

describe('a source that fails', () => {
  it.each([
    ['at once', 0],
    ['amid the rows', 50_000],
  ])('%s leaves nothing behind', async (_, after) => {
    const { people } = manyPeople(after);
    const source = async function* () {
      yield* people;
      throw fault;
    };
    await expect(cluster.copyFrom('people', {}, source())).rejects.toBe(fault);
    expect(await found.count()).toBe(0);
  });

  it('is left when the server fails', async () => {
    const { made, people } = manyPeople();
    const source = later(people);
    await cluster.query('INSERT INTO people VALUES (9)');
    await expect(cluster.copyFrom('people', {}, source)).rejects.toMatchObject({ code: '23505' });
    expect(made.isLeft).toBe(true);
    expect(made.count).toBeLessThan(1_000_000);
  });

  it('is heard of while it is silent: the server ends the COPY', async () => {
    const never = Readable.from(
      (async function* () {
        yield Buffer.from('1\tAda\tx\n'.repeat(20_000));
        await new Promise(() => {});
      })(),
    );
    await expect(cluster.copyFrom('people', {}, never)).rejects.toThrow('line 1, column age');
    expect(never.destroyed).toBe(true);
  });
});

describe('abort', () => {
  it('before it begins touches nothing', async () => {
    const { made, people } = manyPeople();
    const failing = cluster.copyFrom('people', { signal: AbortSignal.abort(fault) }, people);
    await expect(failing).rejects.toBe(fault);
    expect(made.count).toBe(0);
  });

  it('amid the rows leaves nothing behind', async () => {
    const { made, people } = manyPeople();
    const abort = new AbortController();
    const onProgress = ({ bytes }: CopyProgress) => {
      if (bytes > 1_000_000) abort.abort(fault);
    };
    await expect(cluster.copyFrom('people', { signal: abort.signal, onProgress }, people)).rejects.toBe(
      fault,
    );
    expect(made.isLeft).toBe(true);
    expect(await found.count()).toBe(0);
    expect(cluster.getCounters().connections.flatMap(({ closed }) => [...closed])).toEqual([]);
  });

  it('while the source is silent', async () => {
    const abort = new AbortController();
    const silent = new Readable({ objectMode: true, read: () => {} });
    silent.push(ADA);
    const failing = cluster.copyFrom('people', { signal: abort.signal }, silent);
    await until(() => found.active() === 1, { deadlineMs: 5_000, what: 'the COPY to begin' });
    abort.abort(fault);
    await expect(failing).rejects.toBe(fault);
    expect(silent.destroyed).toBe(true);
    expect(await found.count()).toBe(0);
  });

  it('while it waits for a lock', async () => {
    const abort = new AbortController();
    await found.admin.query('BEGIN; LOCK TABLE people IN EXCLUSIVE MODE');
    const failing = cluster.copyFrom('people', { signal: abort.signal }, [ADA]);
    await found.waitsForLock();
    abort.abort(fault);
    await expect(failing).rejects.toBe(fault);
    await found.admin.query('ROLLBACK');
    expect(await found.count()).toBe(0);
  });

  it('once all rows were sent and the server still stores them', async () => {
    const abort = new AbortController();
    await withSlowTrigger(async () => {
      const failing = cluster.copyFrom('people', { signal: abort.signal }, [ADA]);
      await found.waitsForLock();
      abort.abort(fault);
      await expect(failing).rejects.toBe(fault);
    });
    await until(async () => (await found.count()) === 0, { deadlineMs: 5_000, what: 'nothing to be left' });
  });

  it('when the client of the request hangs up', async () => {
    const request = new RequestScope();
    const { people } = manyPeople();
    const failing = cluster.runInRequest(request, () =>
      cluster.copyFrom('people', { onProgress: () => void request.abandon() }, people),
    );
    await expect(failing).rejects.toMatchObject({ code: 'LEASE_RELEASED' });
    expect(await found.count()).toBe(0);
  });
});

/** Each row waits for a lock, until the work is done. */
async function withSlowTrigger(work: () => Promise<void>): Promise<void> {
  const { admin } = found;
  await admin.query(`
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION slow();
    SELECT pg_advisory_lock(4711)`);
  try {
    await work();
  } finally {
    await admin.query('SELECT pg_advisory_unlock_all()');
    await admin.query('DROP TRIGGER slow ON people; DROP FUNCTION slow()');
  }
}

describe('options that are wrong', () => {
  it.each<[object, RegExp]>([
    [{ format: 'xml' }, /^format: "xml"/],
    [{ columns: [] }, /^columns: /],
    [{ columns: 'id' }, /^columns: /],
    [{ batch: 'much' }, /^batch: /],
    [{ batch: 0 }, /^batch: /],
    [{ onProgress: 5 }, /^onProgress: /],
    [{ signal: {} }, /^signal: /],
    [{ format: 'binary', header: true }, /^header: /],
    [{ format: 'csv', header: true }, /^header: only bytes/],
  ])('%j', async (options, message) => {
    const failing = cluster.copyFrom('people', options, [ADA]);
    await expect(failing).rejects.toThrow(TypeError);
    await expect(failing).rejects.toThrow(message);
  });

  it.each(['', 'a b', 'people; DROP TABLE people', 'a.b.c', '"a', 'people (id)'])(
    'a table named %j',
    async (name) => {
      await expect(cluster.copyFrom(name, {}, [ADA])).rejects.toThrow(/^no name of a table/);
    },
  );

  it.each([undefined, 5, {}, () => [ADA]])('a source like %s', async (source) => {
    await expect(cluster.copyFrom('people', {}, source as never)).rejects.toThrow(/^the source is no array/);
  });
});

describe('backpressure', () => {
  it('asks the source for no more than the server takes', async () => {
    const { made, people } = manyPeople();
    const abort = new AbortController();
    await withSlowTrigger(async () => {
      const failing = cluster.copyFrom('people', { signal: abort.signal }, people);
      await found.waitsForLock();
      // What lies in the buffers of sockets.
      let before = -1;
      await until(() => before === (before = made.count), {
        deadlineMs: 10_000,
        what: 'the source to be left alone',
      });
      expect(made.count).toBeGreaterThan(100);
      expect(made.count).toBeLessThan(600_000);
      abort.abort(fault);
      await expect(failing).rejects.toBe(fault);
    });
  });
});

describe('in a transaction', () => {
  it('joins it, and is rolled back with it', async () => {
    const failing = cluster.transaction(async () => {
      await cluster.copyFrom('people', {}, [ADA]);
      const { rows } = await cluster.query('SELECT * FROM people');
      expect(rows).toEqual([ADA]);
      expect(found.active()).toBe(1);
      throw fault;
    });
    await expect(failing).rejects.toBe(fault);
    expect(await found.count()).toBe(0);
  });

  it('sees a table that it has just made, and commits with it', async () => {
    await cluster.transaction(async () => {
      await cluster.query('CREATE TABLE fresh (n int)');
      await cluster.copyFrom('fresh', {}, [[1], [2]]);
    });
    expect(
      (await cluster.useMaster(() => cluster.query('SELECT n FROM fresh ORDER BY n'))).rows,
    ).toHaveLength(2);
  });

  it('that fails leaves a savepoint around it to go on', async () => {
    await cluster.transaction(async () => {
      await cluster.copyFrom('people', {}, [ADA]);
      await expect(
        cluster.transaction(() => cluster.copyFrom('people', {}, [BOB, BOB])),
      ).rejects.toMatchObject({
        code: '23505',
      });
      await cluster.query('UPDATE people SET age = age + 1');
    });
    expect(await all()).toEqual([{ ...ADA, age: 37 }]);
  });

  it('aborted, rolls back what is around it', async () => {
    const abort = new AbortController();
    const failing = cluster.transaction(async () => {
      await cluster.copyFrom('people', {}, [ADA]);
      const onProgress = () => abort.abort(fault);
      const { people } = manyPeople();
      await cluster.copyFrom('people', { columns: ['name'], signal: abort.signal, onProgress }, people);
    });
    await expect(failing).rejects.toBe(fault);
    expect(await found.count()).toBe(0);
  });

  it('has a statement of its source fail that would wait for it, instead of waiting for ever', async () => {
    const failing = cluster.transaction(() =>
      cluster.copyFrom(
        'people',
        {},
        (async function* () {
          yield ADA;
          await cluster.query('SELECT 1');
          yield BOB;
        })(),
      ),
    );
    await expect(failing).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      message: expect.stringContaining('source of a COPY'),
    });
    expect(await found.count()).toBe(0);
  });

  it('nobody awaits ends with it', async () => {
    const silent = new Readable({ objectMode: true, read: () => {} });
    silent.push(ADA);
    let copying: Promise<unknown> = Promise.resolve();
    const failing = cluster.transaction(async () => {
      copying = cluster.copyFrom('people', {}, silent);
      copying.catch(() => {});
      await cluster.query('SELECT 1');
      throw fault;
    });
    await expect(failing).rejects.toBe(fault);
    await expect(copying).rejects.toMatchObject({
      code: expect.stringMatching(/LEASE_RELEASED|TRANSACTION_ENDED/),
    });
    expect(await found.count()).toBe(0);
  });

  it('runs on the connection that a scope holds', async () => {
    await cluster.useMaster({ session: true }, async () => {
      await cluster.query('CREATE TEMPORARY TABLE mine (n int)');
      await cluster.copyFrom('mine', {}, [[1], [2]]);
      expect((await cluster.query('SELECT * FROM mine')).rows).toHaveLength(2);
    });
  });
});

describe('routing', () => {
  it('is refused in a replica scope', async () => {
    const failing = cluster.useReplica(() => cluster.copyFrom('people', {}, [ADA]));
    await expect(failing).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA', reason: 'write' });
    expect(await found.count()).toBe(0);
  });

  it('is refused in a transaction that only reads', async () => {
    const failing = cluster.transaction({ readOnly: true }, () => cluster.copyFrom('people', {}, [ADA]));
    await expect(failing).rejects.toMatchObject({ code: '25006' });
  });

  it('marks its session: what it reads afterwards has the rows', async () => {
    for (let id = 1; id <= 20; id++) {
      await cluster.session.resume(undefined, async () => {
        await cluster.copyFrom('people', {}, [{ id, name: 'x' }]);
        const { rows } = await cluster.query('SELECT FROM people WHERE id = $1', [id]);
        expect(rows).toHaveLength(1);
        expect(await cluster.session.token()).toEqual(expect.any(String));
      });
    }
  });
});
