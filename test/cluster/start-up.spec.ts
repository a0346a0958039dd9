import { createServer, type Server } from 'node:net';
import { PgCluster, type ClusterConfig, type ClusterOptions } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { sure } from '../support/sure.js';

const ONE_ATTEMPT: ClusterOptions = {
  startup: { attempts: 1 },
  healthCheck: { timeout: '500ms' },
  connectionPool: { connectionTimeout: '500ms' },
};
const SECRET = 'very-secret-password';

let database: FreshDatabase;
let stranger: EmbeddedCluster;
let silent: Server;
let closedPort: number;

const portOf = (server: Server) => {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
};

async function listen(): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

beforeAll(async () => {
  [database, stranger, silent] = await Promise.all([
    freshDatabase(),
    EmbeddedCluster.start({ replicas: 0 }),
    listen(),
  ]);
  const closed = await listen();
  closedPort = portOf(closed);
  closed.close();
});

afterAll(async () => {
  silent.close();
  await stranger.stop();
});

interface Case {
  readonly what: string;
  readonly config: () => ClusterConfig;
  /** What each node's line must say. */
  readonly says: () => readonly RegExp[];
}

const master = () => ({ ...sure(database.config.masters[0]), name: 'm1' });
const replica = (i: number) => ({ ...sure(database.config.replicas[i]), name: `r${i + 1}` });

const REFUSALS: readonly Case[] = [
  {
    what: 'a wrong password',
    config: () => ({ masters: [{ ...master(), password: SECRET }] }),
    says: () => [/m1: password authentication failed for user "app_user" \(28P01\)/],
  },
  {
    what: 'no password',
    config: () => ({ masters: [{ ...master(), password: '' }] }),
    says: () => [/m1: .*password/],
  },
  {
    what: 'an unknown host',
    config: () => ({ masters: [{ ...master(), host: 'nowhere.invalid' }] }),
    says: () => [/m1: getaddrinfo \w+ nowhere\.invalid/],
  },
  {
    what: 'a refused connection',
    config: () => ({ masters: [{ ...master(), port: closedPort }] }),
    says: () => [new RegExp(`m1: connect ECONNREFUSED 127\\.0\\.0\\.1:${closedPort}`)],
  },
  {
    what: 'a server that says nothing',
    config: () => ({ masters: [{ ...master(), port: portOf(silent) }] }),
    says: () => [/m1: no connection within 500 ms/],
  },
  {
    what: 'an unknown database',
    config: () => ({ masters: [{ ...master(), database: 'nowhere' }] }),
    says: () => [/m1: database "nowhere" does not exist \(3D000\)/],
  },
  {
    what: 'a master in recovery and no primary elsewhere',
    config: () => ({ masters: [{ ...replica(0), name: 'm1' }], replicas: [replica(1)] }),
    says: () => [/m1: is in recovery: configured as a master/, /r2: is a replica/],
  },
  {
    what: 'a replica of another system',
    config: () => {
      const { user, password, host, port } = sure(stranger.config.masters[0]);
      return {
        masters: [master()],
        replicas: [replica(0), { name: 'alien', host, port, user, password, database: 'app' }],
      };
    },
    says: () => [/m1: is the primary/, /r1: is a replica/, /alien: belongs to another system \(\d+\)/],
  },
  {
    what: 'a password function that throws',
    config: () => ({
      masters: [
        {
          ...master(),
          password: () => {
            throw new Error('the token service is away');
          },
        },
      ],
    }),
    says: () => [/m1: the token service is away/],
  },
];

describe('start-up', () => {
  it.each(REFUSALS)(
    'refuses $what with one error that names each node and its cause',
    async ({ config, says }) => {
      const cluster = PgCluster.fromConfig(config(), ONE_ATTEMPT);
      const error: unknown = await cluster.connect().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'StartupError', code: 'STARTUP_FAILED' });
      const { message } = error as Error;
      for (const line of says()) expect(message).toMatch(line);
      const given = JSON.stringify(config().masters);
      expect(message).not.toContain(SECRET);
      expect(message).not.toContain(JSON.parse(given)[0].password || SECRET);
      expect(cluster.getStatus()).toMatchObject({
        state: 'closed',
        activeConnections: 0,
        idleConnections: 0,
      });
      await expect(cluster.query('SELECT 1')).rejects.toMatchObject({ code: 'CLUSTER_CLOSED' });
    },
  );

  it('tries as often as told', async () => {
    const tried: number[] = [];
    const config = {
      masters: [
        {
          ...master(),
          password: () => {
            tried.push(tried.length);
            throw new Error('not yet');
          },
        },
      ],
    };
    const cluster = PgCluster.fromConfig(config, { ...ONE_ATTEMPT, startup: { attempts: 3, delay: '10ms' } });
    await expect(cluster.connect()).rejects.toThrow(/3 attempts/);
    expect(tried).toHaveLength(3);
  });

  it('succeeds at a later attempt', async () => {
    const { password } = master();
    let calls = 0;
    const lateToken = () => {
      calls++;
      if (calls === 1) throw new Error('not yet');
      return password;
    };
    const config = { masters: [{ ...master(), password: lateToken }] };
    await using cluster = PgCluster.fromConfig(config, { startup: { attempts: 2, delay: '10ms' } });
    await cluster.connect();
    expect((await cluster.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('is not stopped by dead replicas', async () => {
    const dead = { ...replica(0), port: closedPort };
    const mute = { ...replica(1), port: portOf(silent) };
    await using cluster = PgCluster.fromConfig({ masters: [master()], replicas: [dead, mute] }, ONE_ATTEMPT);
    await cluster.connect();
    const read = () => cluster.query('SELECT inet_server_port() AS port');
    expect((await cluster.useReplica(read)).rows).toEqual([{ port: master().port }]);
    expect(await cluster.healthCheck()).toMatchObject({ status: 'degraded' });
  });

  it('opens the minimum of connections on every node', async () => {
    await using cluster = PgCluster.fromConfig(database.config, { connectionPool: { minConnections: 3 } });
    await cluster.connect();
    expect(cluster.getStatus().nodes.map(({ pool }) => pool.idle)).toEqual([3, 3, 3]);
  });

  it('finds the primary wherever it stands in the configuration', async () => {
    const account = { user: master().user, password: master().password };
    const config = {
      masters: [{ ...replica(0), ...account }],
      replicas: [{ ...replica(1), ...account }, master()],
    };
    await using cluster = PgCluster.fromConfig(config);
    await cluster.connect();
    expect(cluster.getStatus().primary).toBe('m1');
    expect((await cluster.useMaster(() => cluster.query('SELECT inet_server_port() AS port'))).rows).toEqual([
      { port: master().port },
    ]);
  });

  it("uses the account of the role, and the monitor's where there is one", async () => {
    await using cluster = PgCluster.fromConfig(database.config);
    await cluster.connect();
    const user = async () => (await cluster.query('SELECT current_user AS name')).rows[0].name;
    expect(await cluster.useMaster(user)).toBe(database.config.masters[0]?.user);
    expect(await cluster.useReplica(user)).toBe(database.config.replicas[0]?.user);
    const { rows } = await cluster.query(
      `SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE '% monitor'`,
    );
    expect(rows).toEqual([{ usename: database.config.monitor.user }]);
  });

  it('connects once, however often it is called, and closes once', async () => {
    const cluster = PgCluster.fromConfig(database.config);
    await Promise.all([cluster.connect(), cluster.connect()]);
    await Promise.all([cluster.close(), cluster.close()]);
    await expect(cluster.query('SELECT 1')).rejects.toMatchObject({ code: 'CLUSTER_CLOSED' });
    await expect(cluster.useReplica(() => cluster.query('SELECT 1'))).rejects.toMatchObject({
      code: 'CLUSTER_CLOSED',
    });
    await expect(cluster.transaction(() => cluster.query('SELECT 1'))).rejects.toMatchObject({
      code: 'CLUSTER_CLOSED',
    });
    await expect(cluster.getConnection()).rejects.toMatchObject({ code: 'CLUSTER_CLOSED' });
  });

  it('is asked for by calls that come before it', async () => {
    const cluster = PgCluster.fromConfig(database.config);
    await expect(cluster.query('SELECT 1')).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
    expect((await cluster.healthCheck()).status).toBe('down');
    await cluster.close();
    await expect(cluster.connect()).rejects.toMatchObject({ code: 'CLUSTER_CLOSED' });
  });

  it('lets running work finish at close', async () => {
    const cluster = PgCluster.fromConfig(database.config);
    await cluster.connect();
    const slow = cluster.query('SELECT pg_sleep(0.2), 1 AS one');
    const inTransaction = cluster.transaction(async () => {
      await cluster.query('SELECT pg_sleep(0.2)');
      return cluster.query('SELECT 2 AS two');
    });
    await expect.poll(() => cluster.getStatus().activeConnections).toBe(2);
    const closing = cluster.close();
    expect((await slow).rows).toMatchObject([{ one: 1 }]);
    expect((await inTransaction).rows).toEqual([{ two: 2 }]);
    await closing;
  });

  it('cuts work that is not over when the time to drain is', async () => {
    const cluster = PgCluster.fromConfig(database.config, { shutdown: { drainTimeout: '100ms' } });
    await cluster.connect();
    const endless = cluster.transaction(() => cluster.query('SELECT pg_sleep(60)'));
    const settled = expect(endless).rejects.toMatchObject({ code: 'CONNECTION_LOST', outcome: 'unknown' });
    await expect.poll(() => cluster.getStatus().activeConnections).toBe(1);
    await cluster.close();
    await settled;
  });
});
