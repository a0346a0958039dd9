import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import type { ConnectOptions } from '../../lib/pool/driver.js';
import { KnownTexts } from '../../lib/pool/known-texts.js';
import type { PgConnection } from '../../lib/pool/pg-connection.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import type { QueryResult, Statement } from '../../lib/query.js';
import { queryOnce, withClient } from '../../lib/testing/superuser.js';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { directOptions } from '../support/direct-options.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';

const READ = 'SELECT $1::int AS id';
const DIVIDE = 'SELECT 12 / $1::int AS id';
/** As many as go in one group. */
const MOST = 16;
/** As many as are prepared on one connection. */
const MOST_PREPARED = 768;

let database: FreshDatabase;
let options: ConnectOptions;
let texts: KnownTexts;
let connection: PgConnection;

beforeAll(async () => {
  database = await freshDatabase();
  options = directOptions(database, 'groups test');
  await onServer('CREATE SEQUENCE runs; GRANT ALL ON SEQUENCE runs TO PUBLIC');
});

const unheard: unknown[] = [];
const hear = (error: unknown) => void unheard.push(error);
process.on('uncaughtExceptionMonitor', hear);
process.on('unhandledRejection', hear);
afterAll(() => {
  process.off('uncaughtExceptionMonitor', hear);
  process.off('unhandledRejection', hear);
  expect(unheard).toEqual([]);
});

afterEach(() => connection.end());

const onServer = (text: string, values?: readonly unknown[]) => queryOnce(database.adminUrl, text, values);

/** On which these texts have come before and were quick, so that they may go together. */
async function open(known: readonly Statement[], changes: Partial<ConnectOptions> = {}): Promise<void> {
  texts = new KnownTexts({ prepare: true });
  connection = (await pgDriver.connect({ ...options, ...changes, texts }, systemClock)) as PgConnection;
  // Prepared by the second; by the third it is known that it was.
  for (const each of known) for (let time = 0; time < 3; time++) await send(each);
}

function send({ text, values, ...how }: Statement): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    connection.pipeline({ text, values, ...how }, texts.of(text), (error, result) =>
      result ? resolve(result) : reject(error),
    );
  });
}

const read = (id: number): Statement => ({ text: READ, values: [id] });
const divide = (by: number): Statement => ({ text: DIVIDE, values: [by] });

/** What became of each: its id, or the code of its error. */
async function outcomes(statements: readonly Statement[]): Promise<unknown[]> {
  const all = await Promise.allSettled(statements.map(send));
  return all.map((each) =>
    each.status === 'fulfilled'
      ? sure(each.value.rows[0]).id
      : ((each.reason as { code?: string }).code ?? (each.reason as Error).message),
  );
}

/** The types of the messages that are sent from now on, one text for each write (manual, section 54.7). */
function messages(): string[] {
  const { stream } = connection.client.connection;
  const writes: string[] = [];
  const write = stream.write.bind(stream);
  stream.write = ((chunk: Buffer) => {
    let types = '';
    for (let at = 0; at < chunk.length; at += 1 + chunk.readInt32BE(at + 1))
      types += String.fromCharCode(chunk[at] ?? 0);
    writes.push(types);
    return write(chunk);
  }) as typeof write;
  return writes;
}

const ids = (count: number) => Array.from({ length: count }, (_, id) => id);

describe('one Sync is', () => {
  test(`for all that are quick and come together, up to ${MOST}`, async () => {
    await open([read(0)]);
    const writes = messages();
    expect(await outcomes(ids(MOST + 2).map(read))).toEqual(ids(MOST + 2));
    expect(writes).toEqual([`${'BE'.repeat(MOST)}S${'BE'.repeat(2)}S`]);
  });

  test('for each that is new, or not known as quick', async () => {
    await open([read(0)]);
    texts.of(READ).heldUpOthers();
    const writes = messages();
    expect(await outcomes([read(1), { text: 'SELECT $1::int + 1 AS id', values: [1] }, read(3)])).toEqual([
      1, 2, 3,
    ]);
    expect(writes).toEqual(['BESPBDESBES']);
  });

  test('for each that has failed of late, until it was quick for some calls', async () => {
    await open([divide(1)]);
    expect(await outcomes([divide(0)])).toEqual(['22012']);
    const writes = messages();
    expect(await outcomes([divide(1), divide(2)])).toEqual([12, 6]);
    for (let call = 0; call < 4; call++) texts.of(DIVIDE).took(0.1);
    expect(await outcomes([divide(1), divide(2)])).toEqual([12, 6]);
    expect(writes).toEqual(['BESBES', 'BEBES']);
  });

  test('between a group and what goes by itself', async () => {
    await open([read(0)]);
    const writes = messages();
    const [plain, fresh] = [{ text: 'SELECT 2 AS id' }, { text: 'SELECT $1::int + 1 AS id', values: [4] }];
    expect(await outcomes([read(1), plain, read(3), read(4), fresh, read(6)])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(writes).toEqual(['BESQBEBESPBDESBES']);
  });
});

describe('where one of a group fails', () => {
  test('those ahead of it keep their answers, and those behind it run once, after it', async () => {
    const count: Statement = { text: `SELECT nextval('runs')::int + $1::int AS id`, values: [0] };
    await open([count, divide(1)]);
    await onServer(`SELECT setval('runs', 100)`);
    expect(await outcomes([count, count, divide(0), count, divide(2), count])).toEqual([
      101,
      102,
      '22012',
      103,
      6,
      104,
    ]);
    expect([connection.isBusy, connection.isLost, connection.transactionStatus]).toEqual([false, false, 'I']);
    expect(await outcomes([count])).toEqual([105]);
  });

  test('all may fail, each with its own error', async () => {
    const cast: Statement = { text: 'SELECT $1::text::int AS id', values: ['1'] };
    await open([cast, divide(1)]);
    const wrong = { ...cast, values: ['one'] };
    expect(await outcomes([divide(0), wrong, divide(0), wrong, cast])).toEqual([
      '22012',
      '22P02',
      '22012',
      '22P02',
      1,
    ]);
  });

  test('those behind it that nobody waits for any more are not sent again', async () => {
    await open([divide(1), read(0)]);
    const writes = messages();
    const asked: string[] = [];
    const told = await Promise.all(
      [divide(0), read(1), read(2)].map(
        ({ text, values }, place) =>
          new Promise<unknown>((resolve) => {
            const again = () => (asked.push(`${place}`), place === 2);
            connection.pipeline(
              { text, values },
              texts.of(text),
              (error, result) => resolve(error ?? result),
              again,
            );
          }),
      ),
    );
    expect(told).toMatchObject([{ code: '22012' }, { name: 'SkippedError' }, { rows: [{ id: 2 }] }]);
    expect([asked, writes]).toEqual([
      ['1', '2'],
      ['BEBEBES', 'PBDES'],
    ]);
    expect(connection.isBusy).toBe(false);
  });

  test('what was to be prepared behind it is prepared the next time', async () => {
    const next: Statement = { text: 'SELECT $1::int + 100 AS id', values: [1] };
    await open([divide(1)]);
    await send(next);
    expect(await outcomes([divide(0), next, { ...next, values: [2] }])).toEqual(['22012', 101, 102]);
    expect(await outcomes([next, next])).toEqual([101, 101]);
    const { rows } = await connection.query(
      `SELECT count(*)::int AS id FROM pg_prepared_statements WHERE statement = $1`,
      [next.text],
    );
    expect(rows).toEqual([{ id: 1 }]);
  });

  test('what is to be closed is closed all the same', async () => {
    await open([divide(1)]);
    const fill = ids(MOST_PREPARED - 1).map((id) => ({ text: `${READ} /* ${id} */`, values: [id] }));
    for (let round = 0; round < 2; round++) await Promise.all(fill.map(send));
    const frequent: Statement = { text: 'SELECT $1::int + 1 AS id', values: [1] };
    for (let call = 0; call < 2 * MOST_PREPARED; call++) texts.of(frequent.text).used();
    const writes = messages();
    // It looks at one with each call, and DIVIDE has to stay.
    texts.of(DIVIDE).used();
    expect(await outcomes([divide(0), frequent, frequent])).toEqual(['22012', 2, 2]);
    expect(writes.join(' ')).toMatch(/^BESC/);
    const { rows } = await connection.query('SELECT count(*)::int AS count FROM pg_prepared_statements');
    expect(rows).toEqual([{ count: MOST_PREPARED }]);
  });
});

describe('in a group', () => {
  test('a parser of a caller’s own that throws is no failure of the server’s: those behind it are answered', async () => {
    const refusing = {
      getTypeParser: () => () => {
        throw new Error('no such value');
      },
    };
    await open([read(0), divide(1)]);
    const writes = messages();
    expect(await outcomes([read(1), { ...divide(2), types: refusing }, read(3)])).toEqual([
      1,
      'no such value',
      3,
    ]);
    expect(writes).toEqual(['BEBEBES']);
  });

  test('values that can’t be sent keep no other from being sent', async () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    await open([read(0)]);
    expect(await outcomes([read(1), { text: READ, values: [circular] }, read(3)])).toEqual([
      1,
      expect.stringMatching(/circular/),
      3,
    ]);
  });

  test('a text without a statement is answered with no rows, and the next one with its own', async () => {
    const empty: Statement = { text: '', values: [], queryMode: 'extended' };
    await open([read(0), empty]);
    const [before, nothing, behind] = await Promise.all([read(1), empty, read(3)].map(send));
    expect([before?.rows, nothing?.rows, behind?.rows]).toEqual([[{ id: 1 }], [], [{ id: 3 }]]);
  });

  test('each has statement_timeout for itself', async () => {
    const nap: Statement = { text: 'SELECT 1 AS id FROM pg_sleep($1::float8)', values: [0] };
    await open([nap], { statementTimeoutMs: 400 });
    const writes = messages();
    const napping = { ...nap, values: [0.1] };
    expect(await outcomes(Array.from({ length: 8 }, () => napping))).toEqual(Array(8).fill(1));
    expect(writes).toEqual([`${'BE'.repeat(8)}S`]);
  });

  test('a deadlock, which none would have come to by itself, is seen by nobody', async () => {
    const count = (table: string): Statement => ({
      text: `SELECT count(*)::int + $1::int AS id FROM ${table}`,
      values: [0],
    });
    const [one, other] = [count('one'), count('other')];
    await onServer('CREATE TABLE one (); CREATE TABLE other (); GRANT ALL ON one, other TO PUBLIC');
    await open([one, other]);
    const { processId } = connection;
    await withClient(database.adminUrl, async (admin) => {
      // Whoever waits first looks for a deadlock first.
      await admin.query(`SET deadlock_timeout = '60s'; BEGIN; LOCK other IN ACCESS EXCLUSIVE MODE`);
      const writes = messages();
      const both = outcomes([one, other]);
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'`;
      await until(async () => (await admin.query(waiting, [processId])).rowCount, {
        deadlineMs: 5_000,
        what: 'the second one to wait for its table',
      });
      await admin.query('LOCK one IN ACCESS EXCLUSIVE MODE');
      await admin.query('COMMIT');
      expect(await both).toEqual([0, 0]);
      expect(writes).toEqual(['BEBES', 'PBDES']);
    });
  });

  test('all is lost with the connection, with an unknown outcome', async () => {
    const nap: Statement = { text: 'SELECT 1 AS id FROM pg_sleep($1::float8)', values: [0] };
    await open([nap, read(0)]);
    const all = outcomes([read(1), { ...nap, values: [60] }, read(2), read(3)]);
    const sleeping = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`;
    await until(async () => (await onServer(sleeping, [connection.processId])).rowCount, {
      deadlineMs: 5_000,
      what: 'the statement to run',
    });
    await onServer('SELECT pg_terminate_backend($1)', [connection.processId]);
    // What was done ahead of it may have been sent before the end, or not.
    const [first, ...rest] = await all;
    expect([1, 'CONNECTION_LOST']).toContain(first);
    expect(rest).toEqual(Array(3).fill('CONNECTION_LOST'));
    expect(connection.isLost).toBe(true);
  });
});
