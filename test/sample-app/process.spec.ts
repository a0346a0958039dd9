import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';
import { Child, compileIfMissing } from './child.js';
import { ask, configFile } from './running-app.js';

beforeAll(compileIfMissing);

async function withAdmin<T>({ adminUrl }: FreshDatabase, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

async function listenOn(port = 0): Promise<Server & AsyncDisposable> {
  // Read, since an end that nobody reads leaves the connection open.
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  server.listen(port);
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

function untilItListensNoMore(url: string): Promise<boolean> {
  const isRefused = async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const refused = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(true)).once('connect', () => resolve(false));
    });
    socket.destroy();
    return refused;
  };
  return until(isRefused, { deadlineMs: 5_000, what: 'the sample to listen no more' });
}

/** The folder of the servers that a child has started. */
const folderOf = (child: Child) =>
  child.processes().flatMap(({ command }) => / -D (.*)\/node\d+\/data/.exec(command)?.[1] ?? [])[0] ?? '';

const hasServers = (child: Child) => folderOf(child) !== '';

// Each starts processes of its own, the first ones with three servers each, all at the same time.
const together = { concurrent: true, timeout: 60_000 };

describe('on an embedded cluster', together, () => {
  it('prints where it listens and its nodes, serves, and leaves nothing behind at SIGTERM', async () => {
    await using child = Child.node();
    const url = await child.url();
    expect(child.output).toMatch(
      /^order_system runs on an embedded cluster:\n(  \S+  127\.0\.0\.1:\d+  (primary|replica)\n){3}/m,
    );
    expect(child.output.match(/:\d+  replica$/gm)).toHaveLength(2);
    const paths = child.output.match(/(?<=http:\/\/localhost:\d+)\/\S+/g) ?? [];
    expect(paths).toHaveLength(6);
    for (const path of paths) expect(await ask(url, path), path).toMatchObject({ status: 200 });
    const folder = folderOf(child);
    expect(existsSync(folder)).toBe(true);
    child.signal('SIGTERM');
    expect(await child.ended()).toBe(0);
    expect(child.errors).toBe('');
    expect(child.left()).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it('leaves nothing behind when npm gets SIGTERM', async () => {
    await using child = Child.npmStart();
    await child.url();
    child.signal('SIGTERM');
    expect(await child.ended()).toBe(0);
    expect(child.left()).toEqual([]);
  });

  it('leaves nothing behind at Ctrl-C, hit twice', async () => {
    await using child = Child.npmStart();
    const url = await child.url();
    child.signalGroup('SIGINT');
    await untilItListensNoMore(url);
    child.signalGroup('SIGINT');
    expect(await child.ended()).toBe(0);
    expect(child.left()).toEqual([]);
  });

  it('stops in mid-start', async () => {
    await using child = Child.node();
    await child.until(() => hasServers(child), 'a server');
    const folder = folderOf(child);
    child.signal('SIGINT');
    child.signal('SIGTERM');
    expect(await child.ended()).toBe(0);
    expect(child.output).not.toContain('order_system runs');
    expect(child.errors).toBe('');
    expect(child.left()).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it('ends with one line when the port is in use', async () => {
    await using other = await listenOn();
    const port = portOf(other);
    await using child = Child.node({ PORT: String(port) });
    await child.until(() => hasServers(child), 'a server');
    const folder = folderOf(child);
    expect(await child.ended()).toBe(1);
    expect(child.output).toBe('');
    expect(child.errors).toBe(
      `order_system can't run: listen EADDRINUSE: address already in use :::${port}\n`,
    );
    expect(child.left()).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });
});

describe('on the cluster of DB_CLUSTER_CONFIG', together, () => {
  it('is filled once by two that start at the same time, and left as it is by a third', async () => {
    const database = await freshDatabase();
    await using config = await configFile(database.config);
    const env = { DB_CLUSTER_CONFIG: config.path };
    const rows = () =>
      withAdmin(database, async (client) => {
        const sql =
          'SELECT (SELECT count(*)::int FROM users) users, (SELECT count(*)::int FROM products) products, (SELECT count(*)::int FROM orders) orders';
        return (await client.query<Record<string, number>>(sql)).rows[0];
      });
    {
      await using first = Child.node(env);
      await using second = Child.node(env);
      const urls = await Promise.all([first.url(), second.url()]);
      expect(first.output).toContain(`order_system runs on the cluster of ${config.path}:`);
      expect(hasServers(first) || hasServers(second)).toBe(false);
      expect(await rows()).toEqual({ users: 1_000, products: 10_000, orders: 0 });
      for (const url of urls) {
        const order = { userId: 1, items: [{ productId: 3, quantity: 1 }] };
        expect(await ask(url, '/orders', order)).toMatchObject({ status: 201 });
      }
      first.signal('SIGTERM');
      second.signal('SIGINT');
      expect([await first.ended(), await second.ended()]).toEqual([0, 0]);
    }
    await using third = Child.node(env);
    await third.url();
    expect(await rows()).toEqual({ users: 1_000, products: 10_000, orders: 2 });
  });

  it('answers the request under way before it ends, and cuts a connection that was never used', async () => {
    const database = await freshDatabase();
    await using config = await configFile(database.config);
    await using child = Child.node({ DB_CLUSTER_CONFIG: config.path });
    const url = await child.url();
    const unused = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
    await once(unused, 'connect');
    await withAdmin(database, async (admin) => {
      const waits = async (sql: string) => (await admin.query<{ yes: boolean }>(sql)).rows[0]?.yes;
      await admin.query('BEGIN');
      await admin.query('SELECT FROM products WHERE id = 3 FOR UPDATE');
      const order = ask(url, '/orders', { userId: 1, items: [{ productId: 3, quantity: 1 }] });
      const what = 'the order to wait for the product';
      const sql = 'SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted) AS yes';
      await until(() => waits(sql), { deadlineMs: 5_000, what });
      child.signal('SIGTERM');
      await untilItListensNoMore(url);
      await admin.query('ROLLBACK');
      expect((await order).status).toBe(201);
    });
    expect(await child.ended()).toBe(0);
    expect(child.errors).toBe('');
    const open =
      "SELECT FROM pg_stat_activity WHERE application_name = 'nestjs-pg-mcp' AND datname = current_database()";
    expect(await withAdmin(database, async (admin) => (await admin.query(open)).rowCount)).toBe(0);
  });

  it('stops while it waits for a server that never answers', async () => {
    await using server = await listenOn();
    const asked = once(server, 'connection');
    const masters = [
      { host: '127.0.0.1', port: portOf(server), user: 'u', password: 'secret', database: 'd' },
    ];
    await using config = await configFile({ masters });
    await using child = Child.node({ DB_CLUSTER_CONFIG: config.path });
    await asked;
    child.signal('SIGTERM');
    expect(await child.ended()).toBe(0);
    expect(child.output + child.errors).toBe('');
  });

  it('ends with one error that names each node when no node can be reached', async () => {
    const ports = await Promise.all([listenOn(), listenOn()]).then((servers) =>
      Promise.all(
        servers.map(async (server) => [portOf(server), await server[Symbol.asyncDispose]()] as const),
      ),
    );
    const [master, replica] = ports.map(([port]) => ({
      host: '127.0.0.1',
      port,
      user: 'app_user',
      password: 'a-secret',
      database: 'app',
    }));
    await using config = await configFile({
      masters: [master],
      replicas: [replica],
      startup: { attempts: 1 },
    });
    await using child = Child.node({ DB_CLUSTER_CONFIG: config.path });
    expect(await child.ended()).toBe(1);
    expect(child.output).toBe('');
    const [first, ...lines] = child.errors.trimEnd().split('\n');
    expect(first).toMatch(
      /^order_system can't run: the cluster of .*db_cluster\.json can't start \(1 attempt\):$/,
    );
    expect(lines).toEqual(
      ports.map(
        ([port]) =>
          expect.stringMatching(new RegExp(`^  - 127\\.0\\.0\\.1:${port}: .*ECONNREFUSED`)) as string,
      ),
    );
    expect(child.errors).not.toContain('a-secret');
  });

  it('ends with the faults of a configuration that is none', async () => {
    await using config = await configFile({ masters: [], replica: [] });
    await using child = Child.node({ DB_CLUSTER_CONFIG: config.path });
    expect(await child.ended()).toBe(1);
    expect(child.output).toBe('');
    expect(child.errors).toMatch(
      /^order_system can't run: .*can't be used:\n(  - (masters|replica): .*\n){2}$/,
    );
  });
});

it('ends with one line when PORT is no port', async () => {
  await using child = Child.node({ PORT: '65536' });
  expect(await child.ended()).toBe(1);
  expect(child.output).toBe('');
  expect(child.errors).toBe('order_system can\'t run: PORT is "65536": expected a number from 0 to 65535\n');
});
