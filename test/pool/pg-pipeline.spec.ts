import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import type { ConnectOptions } from '../../lib/pool/driver.js';
import { KnownTexts } from '../../lib/pool/known-texts.js';
import type { PgConnection } from '../../lib/pool/pg-connection.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import type { QueryResult, Row, Statement } from '../../lib/query.js';
import { queryOnce } from '../../lib/testing/superuser.js';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { directOptions } from '../support/direct-options.js';
import { seeded } from '../support/seeded.js';
import { sure } from '../support/sure.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const soon = (what: string) => ({ deadlineMs: 5_000, what });

let database: FreshDatabase;
let options: ConnectOptions;
let texts: KnownTexts;
const opened: PgConnection[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  options = directOptions(database, 'pipeline test');
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((connection) => connection.end()));
});

const unheard: unknown[] = [];
const hear = (error: unknown) => void unheard.push(error);
process.on('uncaughtExceptionMonitor', hear);
process.on('unhandledRejection', hear);
process.on('warning', hear);
afterAll(() => {
  process.off('uncaughtExceptionMonitor', hear);
  process.off('unhandledRejection', hear);
  process.off('warning', hear);
  expect(unheard).toEqual([]);
});

async function open(changes: Partial<ConnectOptions> & { prepare?: boolean } = {}): Promise<PgConnection> {
  texts = changes.texts ?? new KnownTexts({ prepare: changes.prepare ?? true });
  const connection = (await pgDriver.connect({ ...options, ...changes, texts }, systemClock)) as PgConnection;
  opened.push(connection);
  return connection;
}

function send<R = Row>(
  connection: PgConnection,
  asked: string | Statement,
  values?: readonly unknown[],
): Promise<QueryResult<R>> {
  const statement = typeof asked === 'string' ? { text: asked, ...(values && { values }) } : asked;
  return new Promise((resolve, reject) => {
    connection.pipeline<R>(statement, texts.of(statement.text), (error, result) =>
      result ? resolve(result) : reject(error),
    );
  });
}

const rowsOf = async (running: Promise<QueryResult>) => (await running).rows;

const onServer = (text: string, values?: readonly unknown[]) => queryOnce(database.adminUrl, text, values);

/** Past the connection's back. */
const directly = (connection: PgConnection, text: string) => connection.client.query(text);

const preparedOn = async (connection: PgConnection): Promise<readonly string[]> =>
  (await connection.query('SELECT statement FROM pg_prepared_statements ORDER BY prepare_time')).rows.map(
    ({ statement }) => statement,
  );

const isIdle = ({ isBusy, isLost, transactionStatus }: PgConnection) => [isBusy, isLost, transactionStatus];
const FREE = [false, false, 'I'];

describe('many at once on one connection', () => {
  test('are answered each with its own rows, in the order in which they were sent', async () => {
    const connection = await open();
    const order: number[] = [];
    const answers = await Promise.all(
      Array.from({ length: 300 }, async (_, id) => {
        const form = id % 3;
        const running =
          form === 0
            ? send(connection, `SELECT ${id} AS id`)
            : send(connection, `SELECT $1::int AS id /* ${form} */`, [id]);
        const rows = await rowsOf(running);
        order.push(id);
        return rows;
      }),
    );
    expect(answers).toEqual(Array.from({ length: 300 }, (_, id) => [{ id }]));
    expect(order).toEqual(Array.from({ length: 300 }, (_, id) => id));
    expect(isIdle(connection)).toEqual(FREE);
  });

  /** Of all that a connection sends from now on. */
  function writesOf(connection: PgConnection): unknown[] {
    const { stream } = connection.client.connection;
    const writes: unknown[] = [];
    const write = stream.write.bind(stream);
    stream.write = ((...given: Parameters<typeof write>) => (
      writes.push(given[0]),
      write(...given)
    )) as typeof write;
    return writes;
  }

  test('go out in few writes', async () => {
    const connection = await open();
    const writes = writesOf(connection);
    await Promise.all(Array.from({ length: 50 }, (_, id) => send(connection, 'SELECT $1::int', [id])));
    expect(writes).toHaveLength(1);
  });

  test('and so does a COMMIT with the question for the id, though all before it went alone', async () => {
    const connection = await open();
    await connection.query('BEGIN; CREATE TEMPORARY TABLE kept (id int)');
    for (let i = 0; i < 20; i++) await connection.query('INSERT INTO kept VALUES (1)');
    const writes = writesOf(connection);
    const noted: string[] = [];
    await connection.commit((xid) => noted.push(xid));
    expect(noted).toEqual([expect.stringMatching(/^\d+$/)]);
    expect(writes).toHaveLength(1);
  });

  test('are busy until the last is answered', async () => {
    const connection = await open();
    const all = [1, 2].map((id) => send(connection, 'SELECT $1::int', [id]));
    expect(connection.isBusy).toBe(true);
    await Promise.all(all);
    expect(connection.isBusy).toBe(false);
  });
});

describe('one that fails does not harm those before and behind it', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const refusesToRead = {
    getTypeParser: () => () => {
      throw new Error('no such value');
    },
  };
  const refusesTypes = {
    getTypeParser: () => {
      throw new Error('no such type');
    },
  };

  test.each<[string, Statement, object]>([
    ['division by zero, without values', { text: 'SELECT 1/0' }, { code: '22012' }],
    ['division by zero', { text: 'SELECT 1/$1::int', values: [0] }, { code: '22012' }],
    ['a syntax error, without values', { text: 'SELEKT 1' }, { code: '42601' }],
    ['a syntax error', { text: 'SELEKT $1', values: [1] }, { code: '42601' }],
    ['an unknown column', { text: 'SELECT nowhere', values: [] }, { code: '42703' }],
    ['an unknown column, with values', { text: 'SELECT nowhere, $1::int', values: [1] }, { code: '42703' }],
    ['too few values', { text: 'SELECT $1::int, $2::int', values: [1] }, { code: '08P01' }],
    ['too many values', { text: 'SELECT $1::int', values: [1, 2] }, { code: '08P01' }],
    ['a value of another type', { text: 'SELECT $1::int', values: ['one'] }, { code: '22P02' }],
    ['a value that is no JSON', { text: 'SELECT $1::json', values: [circular] }, { message: /circular/ }],
    ['NUL in a value', { text: 'SELECT $1::text', values: ['a\0b'] }, { code: '22021' }],
    [
      'values that are no list',
      { text: 'SELECT $1::text', values: 'abc' as unknown as string[] },
      { message: /array/ },
    ],
    [
      'a type parser that throws',
      { text: 'SELECT 1 WHERE $1', values: [true], types: refusesToRead },
      { message: /no such value/ },
    ],
    [
      'a choice of type parsers that throws',
      { text: 'SELECT 1 WHERE $1', values: [true], types: refusesTypes },
      { message: /no such type/ },
    ],
    [
      'the same in the extended protocol without values',
      { text: 'SELECT 1', queryMode: 'extended', types: refusesTypes },
      { message: /no such type/ },
    ],
  ])('%s', async (_, failing, error) => {
    const connection = await open();
    const matching = Object.fromEntries(
      Object.entries(error).map(([key, value]) => [
        key,
        value instanceof RegExp ? expect.stringMatching(value) : value,
      ]),
    );
    // In the second round everything comes again, and so is prepared; what fails does so many times in a row.
    for (let round = 0; round < 3; round++) {
      const good: Promise<readonly unknown[]>[] = [];
      const bad: Promise<unknown>[] = [];
      for (let id = 0; id < 40; id++) {
        good.push(rowsOf(send(connection, 'SELECT $1::int AS id', [id])));
        if (id % 4 === 1) bad.push(expect(send(connection, failing)).rejects.toMatchObject(matching));
        good.push(rowsOf(send(connection, `SELECT ${id} AS id`)));
      }
      const expected = Array.from({ length: 40 }, (_each, id) => [[{ id }], [{ id }]]).flat();
      expect(await Promise.all(good)).toEqual(expected);
      await Promise.all(bad);
      expect(isIdle(connection)).toEqual(FREE);
    }
    expect(await rowsOf(connection.query('SELECT $1::int AS id', [7]))).toEqual([{ id: 7 }]);
    expect(texts.isPreparing).toBe(true);
  });

  test('alone on its connection, whether it was sent or not', async () => {
    const connection = await open();
    await expect(send(connection, 'SELECT $1::json', [circular])).rejects.toThrow(/circular/);
    expect(isIdle(connection)).toEqual(FREE);
    await expect(send(connection, 'SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    expect(isIdle(connection)).toEqual(FREE);
  });

  test('however late the server says that it is ready again', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    proxy.ready = 'late';
    await expect(send(connection, 'SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    expect(isIdle(connection)).toEqual(FREE);
  });

  test('cancelled by the server', async () => {
    const connection = await open();
    const before = rowsOf(send(connection, 'SELECT 1 AS id'));
    const cancelled = expect(send(connection, 'SELECT pg_sleep(60)')).rejects.toMatchObject({
      code: '57014',
    });
    const behind = rowsOf(send(connection, 'SELECT 2 AS id'));
    expect(await before).toEqual([{ id: 1 }]);
    await sleeping(connection);
    await onServer('SELECT pg_cancel_backend($1)', [connection.processId]);
    await cancelled;
    expect(await behind).toEqual([{ id: 2 }]);
  });
});

async function sleeping({ processId }: PgConnection): Promise<void> {
  const sql = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`;
  await until(async () => (await onServer(sql, [processId])).rowCount, soon('the statement to run'));
}

describe('a connection that is lost', () => {
  test.each<[string, (connection: PgConnection, proxy: TcpProxy) => Promise<unknown>, object]>([
    [
      'since the server ends it',
      ({ processId }) => onServer('SELECT pg_terminate_backend($1)', [processId]),
      { cause: { code: '57P01' } },
    ],
    ['since the network breaks', async (_, proxy) => proxy.cut(), {}],
    [
      'on purpose',
      async (connection) => connection.destroy(new Error('fenced')),
      { cause: { message: 'fenced' } },
    ],
  ])('%s: all that is under way fails, with an unknown outcome', async (_, end, cause) => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    const lost = expect.objectContaining({ code: 'CONNECTION_LOST', outcome: 'unknown', node: 'node1' });
    const running = ['SELECT pg_sleep(60)', ...Array.from({ length: 20 }, (_each, id) => `SELECT ${id}`)].map(
      (text) => expect(send(connection, text)).rejects.toEqual(lost),
    );
    const first = expect(send(connection, 'SELECT 21')).rejects.toMatchObject(cause);
    await sleeping(connection);
    await end(connection, proxy);
    await Promise.all([...running, first]);
    expect([connection.isLost, connection.isBusy]).toEqual([true, expect.any(Boolean)]);
    await expect(send(connection, 'SELECT 1')).rejects.toMatchObject({ outcome: 'not-sent' });
  });

  test('in the midst of an answer', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    proxy.resetAfter(5_000);
    const running = Array.from({ length: 10 }, () =>
      expect(send(connection, 'SELECT * FROM generate_series(1, 10000)')).rejects.toMatchObject({
        code: 'CONNECTION_LOST',
      }),
    );
    await Promise.all(running);
    expect(connection.isLost).toBe(true);
  });

  test('between an error and the word that the server is ready', async () => {
    await using proxy = await TcpProxy.start(options);
    const connection = await open({ port: proxy.port });
    proxy.ready = 'never';
    await expect(send(connection, 'SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    expect(connection.isLost).toBe(true);
  });
});

describe('what is prepared', () => {
  test('is a text from its second use on, with values or without, on either lane', async () => {
    const connection = await open();
    for (const text of ['SELECT 1', 'SELECT 2', 'SELECT 1', 'SELECT 3']) await send(connection, text);
    expect(await preparedOn(connection)).toEqual(['SELECT 1']);
    await send(connection, 'SELECT $1::int', [1]);
    await connection.query('SELECT $1::int', [2]);
    await connection.query('SELECT $1::text', [2]);
    expect(await preparedOn(connection)).toEqual(['SELECT 1', 'SELECT $1::int']);
    expect(await rowsOf(send(connection, 'SELECT $1::int', [3]))).toEqual([{ int4: 3 }]);
  });

  test('is nothing where it is switched off', async () => {
    const connection = await open({ prepare: false });
    for (let round = 0; round < 4; round++) {
      await send(connection, 'SELECT 1');
      await send(connection, { text: 'SELECT 2', name: 'two' });
      await connection.query('SELECT $1::int', [2]);
    }
    expect(await preparedOn(connection)).toEqual([]);
  });

  test('is 768 texts at most, those used of late, whatever lane has asked', async () => {
    const connection = await open();
    for (let round = 0; round < 2; round++)
      await Promise.all(
        Array.from({ length: 700 }, (_, id) => rowsOf(send(connection, `SELECT ${id} AS id`))),
      );
    for (let id = 700; id < 750; id++)
      for (let use = 0; use < 2; use++) await connection.query(`SELECT ${id}, $1::int`, [1]);
    for (let round = 0; round < 3; round++)
      await Promise.all(
        Array.from({ length: 100 }, (_, id) => rowsOf(send(connection, `SELECT ${750 + id} AS id`))),
      );
    const found = await preparedOn(connection);
    expect(found.length).toBe(768);
    expect(found).toContain('SELECT 849 AS id');
    expect(found).not.toContain('SELECT 0 AS id');
    expect(texts.isPreparing).toBe(true);
    expect(await rowsOf(send(connection, 'SELECT 0 AS id'))).toEqual([{ id: 0 }]);
  });

  describe('has its columns asked for', () => {
    const TEXT = 'SELECT $1::int AS a';

    async function timesAsked(connection: PgConnection, begin?: string): Promise<number> {
      let asked = 0;
      connection.client.connection.on('rowDescription', ({ fields }: { fields: { name: string }[] }) => {
        if (fields[0]?.name === 'a') asked++;
      });
      if (begin !== undefined) await connection.query(begin);
      for (let round = 0; round < 5; round++)
        expect(await send(connection, TEXT, [round])).toMatchObject({
          rows: [{ a: round }],
          rowCount: 1,
          command: 'SELECT',
          fields: [{ name: 'a', dataTypeID: 23 }],
        });
      return asked;
    }

    test('once when it is prepared', async () => {
      expect(await timesAsked(await open())).toBe(2);
    });

    test('once, and each call has its own type parsers all the same', async () => {
      const connection = await open();
      await timesAsked(connection);
      const types = { getTypeParser: () => (value: string) => `<${value}>` };
      const rows = await rowsOf(send(connection, { text: TEXT, values: [7], types }));
      expect(rows).toEqual([{ a: '<7>' }]);
      expect(await timesAsked(connection)).toBe(0);
    });

    test('each time where another process answers than the one that greeted: there may be several', async () => {
      const connection = await open();
      Object.assign(connection.client, { processID: sure(connection.processId) + 1 });
      expect(await timesAsked(connection)).toBe(5);
    });

    test('each time in a transaction, while nobody has asked who answers: what fails there ends it', async () => {
      const connection = await open();
      expect(await timesAsked(connection, 'BEGIN')).toBe(5);
      await connection.query('COMMIT');
      expect(await timesAsked(connection)).toBe(1);
    });
  });
});

describe('a definition that changes', () => {
  const table = `changing`;
  const TEXT = `SELECT * FROM ${table} WHERE id = $1`;
  const PLAIN = `SELECT * FROM ${table}`;

  async function defined(connection: PgConnection): Promise<void> {
    await connection.query(`DROP TABLE IF EXISTS ${table}`);
    await connection.query(`CREATE TABLE ${table} (id int, value int)`);
    await connection.query(`INSERT INTO ${table} VALUES (1, 10)`);
    for (let use = 0; use < 3; use++) {
      await send(connection, TEXT, [1]);
      await send(connection, PLAIN);
    }
  }

  test.each([
    ['a column of another type', 'ALTER COLUMN value TYPE text', { id: 1, value: '10' }],
    ['one more column', 'ADD COLUMN more boolean DEFAULT true', { id: 1, value: 10, more: true }],
    ['one column less', 'DROP COLUMN value', { id: 1 }],
    ['a column of another name', 'RENAME COLUMN value TO worth', { id: 1, worth: 10 }],
    ['a column in another place', 'DROP COLUMN id, ADD COLUMN id int DEFAULT 1', { value: 10, id: 1 }],
  ])('%s: what is read is right, on both lanes', async (_, change, row) => {
    const connection = await open();
    await defined(connection);
    await onServer(`ALTER TABLE ${table} ${change}`);
    const many = Array.from({ length: 30 }, (_each, id) =>
      id % 2 ? rowsOf(send(connection, TEXT, [1])) : rowsOf(send(connection, PLAIN)),
    );
    expect(await Promise.all(many)).toEqual(Array.from({ length: 30 }, () => [row]));
    expect(await rowsOf(connection.query(TEXT, [1]))).toEqual([row]);
    expect(texts.isPreparing).toBe(true);
    // It is prepared anew, once.
    for (let use = 0; use < 3; use++) expect(await rowsOf(send(connection, TEXT, [1]))).toEqual([row]);
    const found = await preparedOn(connection);
    expect(found.filter((text) => text === TEXT).length).toBe(1);
  });

  test('on a leased connection: what has values runs again', async () => {
    const connection = await open();
    await defined(connection);
    await onServer(`ALTER TABLE ${table} ALTER COLUMN value TYPE text`);
    expect(await rowsOf(connection.query(TEXT, [1]))).toEqual([{ id: 1, value: '10' }]);
    for (let use = 0; use < 3; use++)
      expect(await rowsOf(connection.query(TEXT, [1]))).toEqual([{ id: 1, value: '10' }]);
  });

  test('within a transaction: the error is the caller’s, and later all is well', async () => {
    const connection = await open();
    await defined(connection);
    await connection.query('BEGIN');
    await onServer(`ALTER TABLE ${table} ALTER COLUMN value TYPE text`);
    await expect(connection.query(TEXT, [1])).rejects.toMatchObject({ code: '0A000' });
    expect(connection.transactionStatus).toBe('E');
    await connection.query('ROLLBACK');
    await connection.query('BEGIN');
    expect(await rowsOf(connection.query(TEXT, [1]))).toEqual([{ id: 1, value: '10' }]);
    await connection.query('COMMIT');
    expect(await rowsOf(connection.query(TEXT, [1]))).toEqual([{ id: 1, value: '10' }]);
  });
});

describe('a parameter whose column has another type now', () => {
  const INSERT = 'INSERT INTO retyped (value) VALUES ($1)';
  const FIND = 'SELECT value FROM retyped WHERE value = $1';

  test.each([
    ['a write', INSERT, [2], [{ value: 1 }, { value: 2 }]],
    ['a read', FIND, [1], [{ value: 1 }]],
  ])('%s runs again, and later goes by what is prepared anew', async (_, text, values, rows) => {
    const connection = await open();
    await onServer('DROP TABLE IF EXISTS retyped');
    await connection.query('CREATE TABLE retyped (value text)');
    for (let use = 0; use < 3; use++) await connection.query(text, ['1']);
    await onServer(
      'DROP TABLE retyped; CREATE TABLE retyped (value int); INSERT INTO retyped VALUES (1); GRANT ALL ON retyped TO PUBLIC',
    );
    await connection.query(text, values);
    const found = await rowsOf(connection.query('SELECT value FROM retyped ORDER BY value'));
    expect(found.slice(0, rows.length)).toEqual(rows);
    await connection.query('BEGIN');
    await connection.query(text, values);
    await connection.query('COMMIT');
    expect(await preparedOn(connection)).toContain(text);
  });

  test('what a function says while it runs is no such error', async () => {
    const connection = await open();
    await connection.query('CREATE SEQUENCE IF NOT EXISTS runs');
    await connection.query(`CREATE OR REPLACE FUNCTION fails(a int) RETURNS int LANGUAGE plpgsql AS $$
      BEGIN PERFORM nextval('runs'); RAISE datatype_mismatch; END $$`);
    const run = () => connection.query('SELECT fails($1)', [1]);
    for (let use = 0; use < 4; use++) await expect(run()).rejects.toMatchObject({ code: '42804' });
    expect(await rowsOf(connection.query('SELECT last_value::int AS runs FROM runs'))).toEqual([{ runs: 4 }]);
  });
});

describe('prepared statements that are gone', () => {
  test.each(['DEALLOCATE ALL', 'DISCARD ALL'])(
    'by %s past our back: all runs, prepared anew',
    async (text) => {
      const connection = await open();
      for (let use = 0; use < 3; use++) await send(connection, 'SELECT $1::int AS id', [use]);
      await directly(connection, text);
      const many = Array.from({ length: 50 }, (_, id) =>
        rowsOf(send(connection, 'SELECT $1::int AS id', [id])),
      );
      expect(await Promise.all(many)).toEqual(Array.from({ length: 50 }, (_, id) => [{ id }]));
      await directly(connection, text);
      expect(await rowsOf(connection.query('SELECT $1::int AS id', [7]))).toEqual([{ id: 7 }]);
      await send(connection, 'SELECT $1::int AS id', [8]);
      expect(await preparedOn(connection)).toEqual(['SELECT $1::int AS id']);
    },
  );

  test.each(['DEALLOCATE ALL', 'DISCARD ALL', 'DEALLOCATE ALL; SELECT 1'])(
    'by %s before our eyes: nothing fails at all',
    async (text) => {
      const connection = await open();
      const failed: unknown[] = [];
      connection.client.connection.on('errorMessage', (message) => failed.push(message));
      for (let round = 0; round < 5; round++) {
        for (let use = 0; use < 3; use++) await send(connection, 'SELECT $1::int AS id', [use]);
        await connection.query('SELECT $1::int AS id', [use(round)]);
        await connection.query(text);
      }
      expect(failed).toEqual([]);
      expect(texts.isPreparing).toBe(true);
    },
  );
  const use = (round: number) => round;
});

test('a name that is taken, as by others behind a proxy, harms nothing, and counts as a sign of that', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const shared = new KnownTexts({ prepare: true });
  for (let id = 0; id < 3; id++) {
    const connection = await open({ texts: shared });
    const known = texts.of(`SELECT $1::int + ${id} AS id`);
    await directly(connection, `PREPARE "${known.name}" AS SELECT 'of somebody else'`);
    expect(texts.isPreparing).toBe(true);
    for (let use = 0; use < 3; use++)
      expect(await rowsOf(send(connection, known.text, [use]))).toEqual([{ id: id + use }]);
  }
  expect([texts.isPreparing, warn.mock.calls.length]).toEqual([false, 1]);
  warn.mockRestore();
});

describe('results', () => {
  test('are as pg gives them, the first time and when prepared', async () => {
    const connection = await open();
    const plain = new pg.Client({ connectionString: database.adminUrl });
    await plain.connect();
    const upper = { getTypeParser: () => (value: string) => `<${value}>` };
    const statements: Statement[] = [
      { text: 'SELECT 1 AS a, NULL AS b, now() - now() AS c' },
      { text: 'SELECT $1::int AS a, $2::text[] AS b', values: [1, ['x', null, '"']] },
      {
        text: 'SELECT $1::timestamptz AS a, $2::jsonb AS b, $3::bytea AS c',
        values: [new Date(0), { a: [1] }, Buffer.from([0, 1])],
      },
      { text: 'SELECT 1 AS a, 2 AS a', rowMode: 'array' },
      { text: 'SELECT $1::int AS a', values: [1], types: upper },
      { text: 'SELECT 1 AS a', queryMode: 'extended' },
      { text: 'SELECT FROM generate_series(1, 3)' },
      { text: 'SELECT $1::int AS a WHERE false', values: [1] },
      { text: 'VALUES (1, 2), (3, 4)' },
      { text: 'SELECT a FROM (VALUES (1), (NULL), (3)) AS v (a) WHERE $1', values: [true] },
    ];
    for (const statement of statements) {
      const { rows, rowCount, command, fields } = await plain.query<never>(statement as pg.QueryConfig);
      for (let round = 0; round < 4; round++) {
        const result = await send(connection, statement);
        expect(result.rows).toEqual(rows);
        expect(result).toMatchObject({ rowCount, command });
        expect(result.fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual(
          fields.map(({ name, dataTypeID }) => [name, dataTypeID]),
        );
      }
    }
    await plain.end();
  });

  test('of a type whose parser is set later come by that parser', async () => {
    const connection = await open();
    const before = pg.types.getTypeParser(20);
    const read = () => rowsOf(send(connection, 'SELECT $1::bigint AS a', [5]));
    for (let round = 0; round < 3; round++) expect(await read()).toEqual([{ a: '5' }]);
    try {
      pg.types.setTypeParser(20, BigInt);
      expect(await read()).toEqual([{ a: 5n }]);
    } finally {
      pg.types.setTypeParser(20, before);
    }
    expect(await read()).toEqual([{ a: '5' }]);
  });

  test('may be large, both ways, among small ones', async () => {
    const connection = await open();
    const large = 'x'.repeat(5_000_000);
    const answers = await Promise.all([
      rowsOf(send(connection, 'SELECT 1 AS a')),
      rowsOf(send(connection, 'SELECT $1::text AS a', [large])),
      rowsOf(send(connection, `SELECT repeat('y', 5000000) AS a`)),
      rowsOf(send(connection, 'SELECT 2 AS a')),
    ]);
    expect(answers.map(([row]) => row.a)).toEqual([1, large, 'y'.repeat(5_000_000), 2]);
  });
});

test('a connection changes between shared and leased use as often as one likes', async () => {
  const connection = await open();
  const random = seeded(11);
  const statement = (): [string, unknown[] | undefined, unknown] => {
    const id = Math.floor(random() * 1_000);
    const kind = Math.floor(random() * 6);
    if (kind === 0) return [`SELECT ${id % 20} AS id`, undefined, [{ id: id % 20 }]];
    if (kind === 1) return [`SELECT $1::int / 0 AS id`, [id], '22012'];
    if (kind === 2) return [`SELECT ${id % 400} + $1::int AS id`, [id], [{ id: (id % 400) + id }]];
    return [`SELECT $1::int AS id /* ${id % 7} */`, [id], [{ id }]];
  };
  const told = (running: Promise<QueryResult>) =>
    running.then(
      ({ rows }) => rows as unknown,
      (error: { code?: string }) => error.code,
    );
  for (let turn = 0; turn < 300; turn++) {
    if (random() < 0.5) {
      const sent = Array.from({ length: 1 + Math.floor(random() * 12) }, () => statement());
      const got = await Promise.all(sent.map(([text, values]) => told(send(connection, text, values))));
      expect(got).toEqual(sent.map(([, , expected]) => expected));
    } else {
      const [text, values, expected] = statement();
      expect(await told(connection.query(text, values))).toEqual(expected);
      if (random() < 0.1) await connection.query(random() < 0.5 ? 'DISCARD ALL' : 'DEALLOCATE ALL');
    }
    expect(isIdle(connection)).toEqual(FREE);
  }
  expect(texts.isPreparing).toBe(true);
  expect((await preparedOn(connection)).length).toBeLessThanOrEqual(512);
});

test('its client takes cursors and streams when it is leased, whatever it was before', async () => {
  /** What `pg` knows of a query of another class; it refuses those on a client that is pipelined. */
  class Foreign {
    readonly rows: unknown[] = [];
    callback: (error?: unknown) => void = () => {};
    submit(connection: { query(text: string): void }): void {
      connection.query('SELECT 1 AS a');
    }
    handleRowDescription(): void {}
    handleDataRow({ fields }: { fields: unknown[] }): void {
      this.rows.push(fields);
    }
    handleCommandComplete(): void {}
    handleReadyForQuery(): void {
      this.callback();
    }
    handleError(error: unknown): void {
      this.callback(error);
    }
  }
  const connection = await open();
  await Promise.all([1, 2].map((id) => send(connection, 'SELECT $1::int', [id])));
  const foreign = new Foreign();
  await new Promise<void>((resolve, reject) => {
    foreign.callback = (error) => (error ? reject(error) : resolve());
    connection.client.query(foreign as unknown as pg.Submittable);
  });
  expect(foreign.rows).toEqual([['1']]);
});
