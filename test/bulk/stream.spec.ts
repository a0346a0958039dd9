import { Readable } from 'node:stream';
import { RequestScope, type PgCluster } from 'nestjs-pg-mcp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { peopleCluster } from './database.js';

let cluster: PgCluster;
let found: Awaited<ReturnType<typeof peopleCluster>>;

beforeAll(async () => {
  found = await peopleCluster({ connectionPool: { maxConnections: 4, acquireTimeout: '2s' } });
  ({ cluster } = found);
});

afterAll(() => found.close());
// Nothing that a test does may keep a connection.
afterEach(() => found.allBack());

interface Numbered {
  readonly n: number;
}

const fault = new RangeError('on purpose');
const SERIES = 'SELECT n FROM generate_series(1, $1) AS n';
const numbers = (most: number, options?: object) => cluster.stream<Numbered>(SERIES, [most], options);
const all = async (rows: AsyncIterable<Numbered>) => {
  const seen: number[] = [];
  for await (const { n } of rows) seen.push(n);
  return seen;
};
const rowsOf = async <T>(rows: AsyncIterable<T>) => {
  const seen: T[] = [];
  for await (const row of rows) seen.push(row);
  return seen;
};
const upTo = (most: number) => Array.from({ length: most }, (_, i) => i + 1);

describe('stream gives', () => {
  it.each([0, 1, 9, 10, 11, 20, 25])('%i rows in batches of ten', async (most) => {
    expect(await all(numbers(most, { batchSize: 10 }))).toEqual(upTo(most));
  });

  it('a million rows in constant memory', async () => {
    let seen = 0;
    let most = 0;
    const before = process.memoryUsage().rss;
    for await (const { n } of numbers(1_000_000)) {
      if (n !== ++seen) throw new Error(`${n} came as the row ${seen}`);
      if (seen % 50_000 === 0) most = Math.max(most, process.memoryUsage().rss);
    }
    expect(seen).toBe(1_000_000);
    expect((most - before) / 2 ** 20).toBeLessThan(64);
  });

  it('what a statement says of its rows', async () => {
    const rows = cluster.stream<[number]>({ text: 'VALUES (1), (2)', rowMode: 'array' });
    expect(await rowsOf(rows)).toEqual([[1], [2]]);
    const types = { getTypeParser: () => () => 'parsed' };
    expect(await rowsOf(cluster.stream({ text: 'SELECT 1 AS n;', types }))).toEqual([{ n: 'parsed' }]);
  });

  it('begins with the first row that is asked for', async () => {
    const rows = numbers(5);
    expect(found.active()).toBe(0);
    await rows.return();
    expect(await all(rows)).toEqual([]);
  });

  it('gives the connection back with the last batch, not with its last row', async () => {
    const rows = numbers(15, { batchSize: 10 });
    for (let n = 1; n <= 10; n++) await rows.next();
    expect(found.active()).toBe(1);
    await rows.next();
    expect(found.active()).toBe(0);
    expect(await all(rows)).toEqual([12, 13, 14, 15]);
  });
});

describe('it goes', () => {
  const standby = 'SELECT pg_is_in_recovery() AS standby';
  it('by scope, else by the statement', async () => {
    expect(await rowsOf(cluster.stream(standby))).toEqual([{ standby: true }]);
    expect(await rowsOf(cluster.useMaster(() => cluster.stream(standby)))).toEqual([{ standby: false }]);
    expect(await rowsOf(cluster.useReplica(() => cluster.stream(standby)))).toEqual([{ standby: true }]);
    const strong = cluster.stream({ text: standby, consistency: 'strong' });
    expect(await rowsOf(strong)).toEqual([{ standby: false }]);
  });

  it('reads what its session has written', async () => {
    for (let id = 1; id <= 20; id++) {
      await cluster.session.resume(undefined, async () => {
        await cluster.query('INSERT INTO people VALUES ($1)', [id]);
        expect(await rowsOf(cluster.stream('SELECT FROM people WHERE id = $1', [id]))).toHaveLength(1);
      });
    }
  });

  it('with row locks to the primary', async () => {
    expect(await rowsOf(cluster.stream('SELECT id FROM people WHERE id < 4 FOR UPDATE'))).toHaveLength(3);
  });
});

describe('who leaves', () => {
  it('by break, throw or return gives the connection back', async () => {
    for await (const { n } of numbers(1_000_000)) if (n === 5) break;
    expect(found.active()).toBe(0);
    const failing = async () => {
      for await (const { n } of numbers(1_000_000)) if (n === 2_000) throw fault;
    };
    await expect(failing()).rejects.toBe(fault);
    expect(found.active()).toBe(0);
    const rows = numbers(1_000_000);
    await rows.next();
    await rows.return();
    expect(found.active()).toBe(0);
  });

  it('by a Readable that is destroyed', async () => {
    const stream = Readable.from(numbers(1_000_000));
    for await (const row of stream) {
      expect(row).toEqual({ n: 1 });
      break;
    }
    await found.allBack();
  });

  it('by the signal between two rows', async () => {
    const abort = new AbortController();
    const reading = async () => {
      for await (const { n } of numbers(1_000_000, { signal: abort.signal })) if (n === 3) abort.abort(fault);
    };
    await expect(reading()).rejects.toBe(fault);
    expect(found.active()).toBe(0);
  });

  it('by the signal while nobody asks for a row: the connection is free at once', async () => {
    const abort = new AbortController();
    const rows = numbers(1_000_000, { signal: abort.signal });
    await rows.next();
    abort.abort(fault);
    await found.allBack();
    await expect(rows.next()).rejects.toBe(fault);
  });

  it.each(['its own', 'a transaction'])('by the signal while the server is at work, on %s', async (where) => {
    const abort = new AbortController();
    await found.admin.query('BEGIN; LOCK TABLE people');
    const read = () =>
      rowsOf(cluster.stream('SELECT * FROM people FOR UPDATE', [], { signal: abort.signal }));
    const reading = where === 'its own' ? read() : cluster.transaction(read);
    reading.catch(() => {});
    await found.waitsForLock();
    abort.abort(fault);
    if (where === 'its own') await expect(reading).rejects.toBe(fault);
    await found.admin.query('ROLLBACK');
    await expect(reading).rejects.toBe(fault);
  });

  it('when the client of its request hangs up', async () => {
    const request = new RequestScope();
    const rows = cluster.runInRequest(request, () => numbers(1_000_000));
    await rows.next();
    await request.abandon();
    await found.allBack();
    await expect(rows.next()).rejects.toMatchObject({ code: 'LEASE_RELEASED' });
  });
});

describe('in a transaction', () => {
  it('its other statements run between the rows', async () => {
    await cluster.query('TRUNCATE people');
    await cluster.transaction(async () => {
      await cluster.query('INSERT INTO people SELECT generate_series(1, 25)');
      for await (const { id } of cluster.stream<{ id: number }>('SELECT id FROM people ORDER BY id', [], {
        batchSize: 10,
      })) {
        await cluster.query('UPDATE people SET age = $1 WHERE id = $1', [id]);
        if (id === 12)
          await cluster.transaction(() => cluster.query('UPDATE people SET age = 0 WHERE id = 1'));
      }
      expect(found.active()).toBe(1);
    });
    const { rows } = await cluster.useMaster(() => cluster.query('SELECT sum(age)::int AS sum FROM people'));
    expect(rows).toEqual([{ sum: (25 * 26) / 2 - 1 }]);
  });

  it('feeds a COPY of the same transaction, when it was read to its end before', async () => {
    await cluster.transaction(async () => {
      await cluster.query('CREATE TABLE copy_of_people (id int)');
      const rows = await rowsOf(cluster.stream<{ id: number }>('SELECT id FROM people'));
      expect(await cluster.copyFrom('copy_of_people', {}, rows)).toMatchObject({ rows: 25 });
    });
  });

  it('left, harms nothing; two may be open', async () => {
    await cluster.transaction(async () => {
      const [one, other] = [numbers(1_000, { batchSize: 1 }), numbers(1_000, { batchSize: 2 })];
      for (let n = 1; n <= 5; n++) {
        expect((await one.next()).value).toEqual({ n });
        expect((await other.next()).value).toEqual({ n });
      }
      await one.return();
      expect((await other.next()).value).toEqual({ n: 6 });
      await other.return();
      const { rows } = await cluster.query('SELECT name FROM pg_cursors');
      expect(rows).toEqual([]);
    });
  });

  it('read after its end is refused', async () => {
    let rows = numbers(0);
    await cluster.transaction(async () => {
      rows = numbers(1_000, { batchSize: 1 });
      await rows.next();
    });
    await expect(rows.next()).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
  });

  it('returned by it, is read in it', async () => {
    const rows = cluster.transaction(() => numbers(25, { batchSize: 10 }));
    expect(await all(rows)).toEqual(upTo(25));
  });

  it('a scope that holds its connection reads by it, and runs other statements beside', async () => {
    await cluster.useMaster({ session: true }, async () => {
      await cluster.query('CREATE TEMPORARY TABLE mine AS SELECT generate_series(1, 25) AS n');
      const seen: number[] = [];
      for await (const { n } of cluster.stream<Numbered>('SELECT n FROM mine', [], { batchSize: 10 })) {
        await cluster.query('SELECT 1');
        seen.push(n);
      }
      expect(seen).toEqual(upTo(25));
      expect((await cluster.query('SELECT name FROM pg_cursors')).rows).toEqual([]);
    });
  });
});

describe('what fails', () => {
  it('is told with its place in the text', async () => {
    await expect(all(cluster.stream('SELECT nothing'))).rejects.toMatchObject({
      code: '42703',
      position: '8',
    });
    await expect(all(cluster.stream('SELECT 1 FROM no_table'))).rejects.toMatchObject({ code: '42P01' });
    await expect(all(numbers('x' as never))).rejects.toMatchObject({ code: '22P02' });
  });

  it('amid the rows, after those before it', async () => {
    const rows = cluster.stream<Numbered>('SELECT 100 / (15 - n) AS n FROM generate_series(1, 20) n', [], {
      batchSize: 10,
    });
    for (let n = 1; n <= 10; n++) expect((await rows.next()).done).toBe(false);
    await expect(rows.next()).rejects.toMatchObject({ code: '22012' });
    expect((await rows.next()).done).toBe(true);
  });

  it.each(['INSERT INTO people VALUES (99) RETURNING id', 'SELECT 1; SELECT 2', 'SHOW work_mem'])(
    'is no query: %s',
    (text) => {
      expect(() => cluster.stream(text)).toThrow(/^stream\(\) takes one SELECT/);
    },
  );

  it.each([[{ batchSize: 0 }], [{ batchSize: 1.5 }], [{ signal: 5 }]])('has a bad option: %j', (options) => {
    expect(() => cluster.stream('SELECT 1', [], options as never)).toThrow(TypeError);
  });

  it('is for a connection of its own', () => {
    expect(() => cluster.stream(`SELECT set_config('a.b', 'c', false)`)).toThrow(/would be lost/);
  });
});
