import { once } from 'node:events';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RequestScope, type PgCluster } from 'nestjs-pg-mcp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/until.js';
import { manyPeople, peopleCluster } from './database.js';

const MANY = 200_000;

let cluster: PgCluster;
let found: Awaited<ReturnType<typeof peopleCluster>>;

beforeAll(async () => {
  found = await peopleCluster({
    connectionPool: { maxConnections: 4, acquireTimeout: '2s' },
    healthCheck: { interval: '100ms' },
  });
  ({ cluster } = found);
  await cluster.query('CREATE TABLE few (n int, "Text" text)');
  await cluster.copyFrom('few', {}, [
    [1, 'a,"b"'],
    [2, null],
  ]);
  await cluster.copyFrom('people', {}, manyPeople(MANY).people);
  await replicasFollow();
});

afterAll(() => found.close());
// Nothing that a test does may keep a connection.
afterEach(() => found.allBack());

const fault = new RangeError('on purpose');
const text = async (stream: AsyncIterable<Buffer>) => {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
};
const node = `SELECT pg_is_in_recovery() AS standby`;
const replicasFollow = () =>
  until(
    async () =>
      (await text(
        cluster.useReplica(() => cluster.copyTo(`SELECT count(*), pg_is_in_recovery() FROM people`)),
      )) === `${MANY}\tt\n`,
    {
      deadlineMs: 10_000,
      what: 'the replicas to follow',
    },
  );
const closes = () =>
  cluster
    .getCounters()
    .connections.reduce((sum, { closed }) => sum + [...closed.values()].reduce((a, b) => a + b, 0), 0);

describe('copyTo puts out', () => {
  it.each<[string, string, object, string]>([
    ['a table', 'few', {}, '1\ta,"b"\n2\t\\N\n'],
    ['a table as csv', 'public.few', { format: 'csv' }, '1,"a,""b"""\n2,\n'],
    [
      'columns, with a header',
      'FEW',
      { format: 'csv', header: true, columns: ['Text'] },
      'Text\n"a,""b"""\n\n',
    ],
    ['a query', 'SELECT n * 2 FROM few ORDER BY n DESC; ', {}, '4\n2\n'],
    ['a query that ends in a comment', 'SELECT 1 -- one', {}, '1\n'],
    ['nothing', 'SELECT 1 WHERE false', {}, ''],
  ])('%s', async (_, what, options, expected) => {
    expect(await text(cluster.copyTo(what, options))).toBe(expected);
  });

  it('binary', async () => {
    const out = Buffer.concat((await cluster.copyTo('few', { format: 'binary' }).toArray()) as Buffer[]);
    expect(out.subarray(0, 11).toString('latin1')).toBe('PGCOPY\n\xff\r\n\0');
  });

  it('many rows, none twice, none missing', async () => {
    const lines = (await text(cluster.copyTo('people', { columns: ['id'] }))).split('\n');
    expect(new Set(lines).size).toBe(MANY + 1);
  });
});

describe('it goes', () => {
  it('to a replica where it may', async () => {
    expect(await text(cluster.copyTo(node))).toBe('t\n');
    expect(await text(cluster.useReplica(() => cluster.copyTo(node)))).toBe('t\n');
    expect(await text(cluster.useMaster(() => cluster.copyTo(node)))).toBe('f\n');
  });

  it('by the scope in which it was asked for, whenever it is read', async () => {
    const stream = cluster.useMaster(() => cluster.copyTo(node));
    expect(await cluster.useReplica(() => text(stream))).toBe('f\n');
  });

  it('to the primary with what writes', async () => {
    const out = await text(cluster.copyTo('INSERT INTO few VALUES (3) RETURNING n, pg_is_in_recovery()'));
    expect(out).toBe('3\tf\n');
    expect(() => cluster.useReplica(() => cluster.copyTo('DELETE FROM few RETURNING 1'))).toThrow(
      /read-only scope/,
    );
    await cluster.query('DELETE FROM few WHERE n = 3');
  });

  it('into the transaction that is open', async () => {
    await cluster
      .transaction(async () => {
        await cluster.query(`INSERT INTO few VALUES (4, 'mine')`);
        expect(await text(cluster.copyTo('few'))).toContain('4\tmine');
        expect(found.active()).toBe(1);
        throw fault;
      })
      .catch(() => {});
    expect(await text(cluster.useMaster(() => cluster.copyTo('few')))).not.toContain('mine');
  });
});

describe('who reads slowly', () => {
  it('has the server wait, and no more than a buffer is held', async () => {
    const stream = cluster.copyTo('people', {});
    await once(stream, 'readable');
    // Whatever is on the way comes in.
    await cluster.healthCheck();
    expect(stream.readableLength).toBeGreaterThan(0);
    expect(stream.readableLength).toBeLessThan(1024 * 1024);
    expect((await text(stream)).split('\n')).toHaveLength(MANY + 1);
  });
});

describe('who leaves', () => {
  it('by break gives the connection back', async () => {
    for await (const piece of cluster.copyTo('people')) {
      expect(piece).toBeInstanceOf(Buffer);
      break;
    }
    await found.allBack();
    expect(await text(cluster.copyTo('few'))).not.toBe('');
  });

  it('by destroy, before and after it has begun', async () => {
    const unread = cluster.copyTo('people');
    unread.destroy();
    await once(unread, 'close');
    const read = cluster.copyTo('people');
    await once(read, 'readable');
    read.destroy();
    await once(read, 'close');
    expect(found.active()).toBe(0);
  });

  it('by a destination that fails', async () => {
    const sink = new Writable({ write: (_, __, done) => done(fault) });
    await expect(pipeline(cluster.copyTo('people'), sink)).rejects.toBe(fault);
  });

  it('by the signal, with its reason', async () => {
    const abort = new AbortController();
    const stream = cluster.copyTo('people', { signal: abort.signal });
    await once(stream, 'readable');
    abort.abort(fault);
    await expect(text(stream)).rejects.toBe(fault);
    await expect(text(cluster.copyTo('people', { signal: abort.signal }))).rejects.toBe(fault);
  });

  it('by the signal, while it waits for a lock', async () => {
    const abort = new AbortController();
    await found.admin.query('BEGIN; LOCK TABLE people');
    const reading = text(cluster.useMaster(() => cluster.copyTo('people', { signal: abort.signal })));
    reading.catch(() => {});
    await found.waitsForLock();
    abort.abort(fault);
    await expect(reading).rejects.toBe(fault);
    await found.admin.query('ROLLBACK');
  });

  it('when the client of its request hangs up', async () => {
    const request = new RequestScope();
    const stream = cluster.runInRequest(request, () => cluster.copyTo('people'));
    await once(stream, 'readable');
    await request.abandon();
    await expect(text(stream)).rejects.toMatchObject({ code: 'LEASE_RELEASED' });
  });

  it('within a transaction does it no harm', async () => {
    await cluster.transaction(async () => {
      const stream = cluster.copyTo('people');
      await once(stream, 'readable');
      stream.destroy();
      expect((await cluster.query('SELECT count(*)::int AS n FROM few')).rows).toEqual([{ n: 2 }]);
    });
  });

  it('within a transaction without a word: it fails, instead of waiting for ever', async () => {
    const failing = cluster.transaction(async () => {
      await once(cluster.copyTo('people'), 'readable');
    });
    await expect(failing).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  });

  it('a scope that holds its connection likewise', async () => {
    await cluster.useMaster({ session: true }, async () => {
      await once(cluster.copyTo('people'), 'readable');
    });
  });
});

describe('what fails', () => {
  it('is told by the stream, and the connection serves on', async () => {
    const closed = closes();
    await expect(text(cluster.copyTo('SELECT 1/n FROM generate_series(0, 1) n'))).rejects.toMatchObject({
      code: '22012',
    });
    await expect(text(cluster.copyTo('SELECT nothing'))).rejects.toMatchObject({ code: '42703' });
    await expect(text(cluster.copyTo('no sql'))).rejects.toMatchObject({ code: '42601' });
    expect(closes()).toBe(closed);
  });

  it('amid the rows ends the stream by the error', async () => {
    const failing = text(cluster.copyTo('SELECT 1/(n - 100000) FROM generate_series(1, 200000) n'));
    await expect(failing).rejects.toMatchObject({ code: '22012' });
  });

  it('ends no process that does not listen', async () => {
    const stream = cluster.copyTo('SELECT nothing');
    stream.resume();
    await until(() => stream.destroyed, { deadlineMs: 5_000, what: 'the stream to fail' });
  });

  it.each<[string, object, RegExp]>([
    ['few', { format: 'xml' }, /^format: /],
    ['SELECT 1', { columns: ['a'] }, /^columns: a query/],
    ['few', { header: true, format: 'binary' }, /^header: /],
  ])('%s %j is a bad option', (what, options, message) => {
    expect(() => cluster.copyTo(what, options)).toThrow(message);
  });
});
