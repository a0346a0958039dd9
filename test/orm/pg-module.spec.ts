import { PgCluster, RequestScope } from 'nestjs-pg-mcp';
import { pgModule } from 'nestjs-pg-mcp/orm';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';
import { Cursor } from '../support/cursor.js';
import { until } from '../support/until.js';

type Client = InstanceType<ReturnType<typeof pgModule>['Client']>;

let cluster: PgCluster;
let client: Client;

const WHERE = `SELECT pg_is_in_recovery() AS standby, current_setting('work_mem') AS mem`;

beforeAll(async () => {
  const database = await freshDatabase();
  cluster = PgCluster.fromConfig(database.config, {
    healthCheck: { interval: '100ms' },
    connectionPool: { maxConnections: 2, acquireTimeout: '3s' },
  });
  await cluster.connect();
  await cluster.query('CREATE TABLE notes (id serial PRIMARY KEY, text text)');
});

afterAll(() => cluster.close());

beforeEach(async () => {
  const { Client } = pgModule(cluster);
  client = new Client({});
  await client.connect();
  await cluster.query('TRUNCATE notes');
  await caughtUp();
});

afterEach(async () => {
  await client.end();
  await allBack();
});

const ask = async (text: string, values?: readonly unknown[]) => {
  const { rows } = (await client.query(text, values)) as pg.QueryResult;
  return rows[0];
};

/** Until replicas serve this session's reads again. */
const caughtUp = () =>
  until(
    async () =>
      (await ask('SELECT pg_is_in_recovery() AS standby FROM notes RIGHT JOIN (SELECT 1) one ON true'))
        .standby,
    {
      deadlineMs: 5_000,
      what: 'a replica to have it',
    },
  );

/** The cluster itself may have one for a moment, to look for changed definitions. */
const allBack = () =>
  until(() => cluster.getStatus().activeConnections === 0, {
    deadlineMs: 2_000,
    what: 'all connections to be back',
  });

const onPrimary = (text: string) => cluster.useMaster(() => cluster.query(text));

describe('the module', () => {
  it('is pg but for what connects', () => {
    const { Pool, Client, ...rest } = pgModule(cluster);
    const { Pool: _pool, Client: _client, ...original } = pg;
    expect(rest).toEqual({ ...original });
    expect(new Pool({ max: 3 }).options.max).toBe(3);
    expect(new Pool({ poolSize: 4, max: undefined }).options.max).toBe(4);
    const options = { maxUses: 5, password: 'secret', connectionString: 'postgres://a:secret@b/c' };
    expect(new Pool(options).options).toMatchObject({ maxUses: 5 });
    expect(JSON.stringify(new Pool(options).options)).not.toContain('secret');
    expect(new Pool()).toBeInstanceOf(pg.Pool);
    expect(new Client()).toBeInstanceOf(Client);
  });

  it('reads results as its pools and clients are told', async () => {
    const types = { getTypeParser: () => (text: string) => `read: ${text}` } as never;
    const { Pool, Client } = pgModule(cluster);
    const pool = new Pool({ types });
    expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 'read: 1' }]);
    await pool.end();
    const other = new Client({ types });
    expect(await other.query('SELECT 2 AS n')).toMatchObject({ rows: [{ n: 'read: 2' }] });
    await other.end();
  });
});

describe('a client that nobody releases', () => {
  it('reads on replicas what it has written on the primary, and keeps no connection', async () => {
    expect(await ask(WHERE)).toMatchObject({ standby: true });
    await client.query(`INSERT INTO notes (text) VALUES ('a')`);
    expect(await ask('SELECT count(*)::int AS n FROM notes')).toEqual({ n: 1 });
    await allBack();
  });

  it('has one connection from BEGIN to the end of the transaction', async () => {
    await client.query('BEGIN');
    await client.query(`INSERT INTO notes (text) VALUES ('a')`);
    await client.query('SAVEPOINT one');
    await client.query(`INSERT INTO notes (text) VALUES ('undone')`);
    await client.query('ROLLBACK TO SAVEPOINT one');
    expect(await ask(WHERE)).toMatchObject({ standby: false });
    await client.query('COMMIT');
    await allBack();
    expect(await ask('SELECT count(*)::int AS n FROM notes')).toEqual({ n: 1 });
    await caughtUp();
  });

  it('is rid of a transaction whose server session was ended, once that is rolled back', async () => {
    await client.query('BEGIN');
    const { pid } = await ask('SELECT pg_backend_pid() AS pid');
    await onPrimary(`SELECT pg_terminate_backend(${pid})`);
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    // Not as if there had been no transaction.
    await expect(client.query(`INSERT INTO notes (text) VALUES ('a')`)).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
    });
    expect(await client.query('ROLLBACK')).toMatchObject({ command: 'ROLLBACK' });
    expect(await ask('SELECT count(*)::int AS n FROM notes')).toEqual({ n: 0 });
  });

  it('says so when a transaction can not be committed, and goes on', async () => {
    await client.query('BEGIN');
    const { pid } = await ask('SELECT pg_backend_pid() AS pid');
    await onPrimary(`SELECT pg_terminate_backend(${pid})`);
    await expect(client.query('COMMIT')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(await ask('SELECT 1 AS one')).toEqual({ one: 1 });
  });

  it('has none to go on with when its request was answered meanwhile', async () => {
    const request = new RequestScope();
    await cluster.runInRequest(request, () => client.query('BEGIN'));
    await request.end();
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: 'LEASE_RELEASED' });
    await client.query('ROLLBACK');
    expect(await ask('SELECT 1 AS one')).toEqual({ one: 1 });
    await cluster.runInRequest(request, () => client.query('LISTEN news'));
    await request.end();
    expect(await ask('SELECT 1 AS one')).toEqual({ one: 1 });
  });

  it('hears notifications, also by a listener that comes later, and of its loss', async () => {
    await client.query('LISTEN news');
    const heard = new Promise<pg.Notification>((resolve) => client.once('notification', resolve));
    client.on('notification', () => {});
    const { pid } = await ask('SELECT pg_backend_pid() AS pid');
    expect(client.processID).toBe(pid);
    await onPrimary(`NOTIFY news, 'extra'`);
    expect((await heard).payload).toBe('extra');
    const lost = new Promise<Error>((resolve) => client.once('error', resolve));
    await onPrimary(`SELECT pg_terminate_backend(${pid})`);
    expect((await lost).message).toMatch(/terminat/);
  });

  it('leaves what a callback throws to the process, as `pg` does, and goes on', async () => {
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    try {
      for (const text of ['SELECT 1', 'SELECT 1 / 0']) {
        const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve));
        client.query(text, () => {
          throw new Error(`by who asked ${text}`);
        });
        expect(await uncaught).toMatchObject({ message: `by who asked ${text}` });
      }
    } finally {
      for (const other of others) process.on('uncaughtException', other);
    }
    expect(await ask('SELECT 1 AS one')).toEqual({ one: 1 });
  });

  it('is over at its end', async () => {
    const { Client } = pgModule(cluster);
    const other = new Client();
    await other.query('BEGIN');
    const ended = new Promise<void>((resolve) => void other.end(() => resolve()));
    await expect(other.query('SELECT 1')).rejects.toThrow('Client was closed and is not queryable');
    const told = new Promise<unknown>((resolve) => other.query('SELECT 1', (error) => resolve(error)));
    expect(await told).toMatchObject({ message: 'Client was closed and is not queryable' });
    await ended;
    await allBack();
  });
});

describe('what a client SETs', () => {
  it('holds wherever it runs, and for nobody else', async () => {
    await client.query(`SET work_mem = '5MB'; SET TIME ZONE INTERVAL '+03:00' HOUR TO MINUTE;`);
    expect(await ask(WHERE)).toEqual({ standby: true, mem: '5MB' });
    await client.query('BEGIN');
    expect(await ask(WHERE)).toEqual({ standby: false, mem: '5MB' });
    await client.query('ROLLBACK');
    expect(await ask(`SELECT (date '2020-01-01')::timestamptz::text AS at`)).toEqual({
      at: '2020-01-01 00:00:00+03',
    });
    const { rows } = await onPrimary(WHERE);
    expect(rows).toEqual([{ standby: false, mem: '4MB' }]);
    const answers = await Promise.all(Array.from({ length: 8 }, () => cluster.query(WHERE)));
    expect(new Set(answers.map((answer) => answer.rows[0].mem))).toEqual(new Set(['4MB']));
  });

  it('stays on a connection for the next of its statements', async () => {
    await client.query(`SET work_mem = '5MB'`);
    await cluster.useReplica(async () => {
      const stats = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE 'DISCARD%' OR query LIKE 'SET%'`;
      await ask(WHERE);
      await ask(WHERE);
      expect(await ask(stats)).toEqual({ n: 0 });
    });
  });

  it('is what was SET last', async () => {
    await client.query(`SET work_mem = '5MB' -- not much`);
    await client.query(`SET application_name = 'orm'`);
    await client.query(`SET work_mem = '6MB';`);
    expect(await ask(WHERE)).toMatchObject({ mem: '6MB' });
    await client.query('DISCARD ALL');
    expect(await ask(WHERE)).toMatchObject({ mem: '4MB' });
  });

  it('holds in a transaction that it joins', async () => {
    await client.query(`SET work_mem = '5MB'`);
    await cluster.transaction(async () => {
      await cluster.query(`INSERT INTO notes (text) VALUES ('a')`);
      await client.query('BEGIN');
      expect(await ask(WHERE)).toEqual({ standby: false, mem: '5MB' });
      await client.query('ROLLBACK');
      expect(await ask(WHERE)).toEqual({ standby: false, mem: '5MB' });
    });
    expect((await onPrimary(WHERE)).rows).toEqual([{ standby: false, mem: '4MB' }]);
  });

  it('fails the next statement where it is wrong', async () => {
    await client.query(`SET work_mem = 'much'`);
    await expect(client.query(WHERE)).rejects.toThrow('invalid value for parameter "work_mem"');
    await client.query(`SET work_mem = '5MB'`);
    expect(await ask(WHERE)).toMatchObject({ mem: '5MB' });
  });

  it('is not seen by who takes the client of a lease', async () => {
    await client.query(`SET work_mem = '5MB'`);
    await Promise.all([client.query('BEGIN'), client.query('COMMIT')]);
    await using lease = await cluster.getMasterConnection();
    const { rows } = await (lease.client as pg.Client).query(WHERE);
    expect(rows).toEqual([{ standby: false, mem: '4MB' }]);
  });
});

describe('a cursor', () => {
  it('reads on a replica with what the client has SET, and gives its connection back', async () => {
    await client.query(`SET work_mem = '5MB'`);
    const cursor = client.query(new Cursor(`${WHERE} FROM generate_series(1, 300)`)) as Cursor;
    expect(await cursor.read(2)).toEqual(Array.from({ length: 2 }, () => ({ standby: true, mem: '5MB' })));
    const next = ask(WHERE);
    await cursor.close();
    expect(await next).toMatchObject({ standby: true });
    await allBack();
  });

  it('joins a transaction', async () => {
    await cluster.transaction(async () => {
      await client.query(`INSERT INTO notes (text) VALUES ('a')`);
      const cursor = client.query(new Cursor('SELECT text FROM notes')) as Cursor;
      expect(await cursor.read(9)).toEqual([{ text: 'a' }]);
      await cursor.close();
      await client.query('BEGIN');
      await client.query(`INSERT INTO notes (text) VALUES ('b')`);
      const other = client.query(new Cursor('SELECT text FROM notes ORDER BY id')) as Cursor;
      expect(await other.read(9)).toEqual([{ text: 'a' }, { text: 'b' }]);
      await other.close();
      await client.query('COMMIT');
    });
    expect(await ask('SELECT count(*)::int AS n FROM notes')).toEqual({ n: 2 });
  });

  it('that can not begin gives the connection back', async () => {
    await client.query(`SET work_mem = 'much'`);
    const cursor = client.query(new Cursor('SELECT 1')) as Cursor;
    await expect(cursor.read(1)).rejects.toThrow('invalid value for parameter "work_mem"');
    await allBack();
  });

  it('that fails tells so', async () => {
    const cursor = client.query(new Cursor('SELECT 1 / 0')) as Cursor;
    await expect(cursor.read(1)).rejects.toMatchObject({ code: '22012' });
    expect(await ask(WHERE)).toMatchObject({ standby: true });
  });
});
