import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { Tls } from '../../lib/config/tls.js';
import type { PatroniSettings } from '../../lib/config/settings.js';
import { PatroniClient } from '../../lib/failover/patroni-client.js';
import { freePort } from '../../lib/testing/free-port.js';
import { Authority } from '../support/authority.js';

const NEVER = new AbortController().signal;
const MEMBERS = JSON.stringify({ members: [{ name: 'a', role: 'leader' }] });

/** Speaks as Patroni does: HTTP/1.0, no length, and the connection's end is the answer's. */
class Endpoint {
  readonly requests: string[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    answer: string | undefined,
  ) {
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (data) => {
        this.requests.push(data.toString());
        if (answer !== undefined) socket.end(answer);
      });
    });
  }

  static async start(answer: string | undefined): Promise<Endpoint> {
    const endpoint = new Endpoint(createServer(), answer);
    await new Promise<void>((resolve) => endpoint.server.listen(0, '127.0.0.1', resolve));
    started.push(endpoint);
    return endpoint;
  }

  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
  }
}

const started: Endpoint[] = [];
afterEach(() => {
  for (const endpoint of started.splice(0)) endpoint.stop();
});

const answer = (body: string, status = '200 OK') =>
  `HTTP/1.0 ${status}\r\nServer: BaseHTTP/0.6 Python/3.11.2\r\nContent-Type: application/json\r\n\r\n${body}`;

function clientOf(hosts: readonly string[], settings: Partial<PatroniSettings> = {}): PatroniClient {
  const urls = hosts.map((host) => `http://${host}`);
  return new PatroniClient({ urls, ssl: new Tls(), timeoutMs: 200, ...settings }, systemClock);
}

const leaderAt = (host: string) => ({
  name: 'a',
  role: 'leader' as const,
  state: 'running',
  apiUrl: `http://${host}/patroni`,
});

test('the first that answers is asked first the next time', async () => {
  const [silent, broken, good] = [
    await Endpoint.start(undefined),
    await Endpoint.start(answer('DCS is not accessible', '503 Service Unavailable')),
    await Endpoint.start(answer(MEMBERS)),
  ];
  const client = clientOf([silent.host, broken.host, good.host]);
  expect(await client.cluster(NEVER)).toEqual([{ name: 'a', role: 'leader', state: '' }]);
  await client.cluster(NEVER);
  expect([silent, broken, good].map(({ requests }) => requests.length)).toEqual([1, 1, 2]);
});

test('where none is of use, each says why', async () => {
  const dead = `127.0.0.1:${await freePort()}`;
  const answers = [
    undefined,
    answer('no auth header received', '401 Unauthorized'),
    answer('{"members": [{"na'),
    answer('{"error": true}'),
    answer(`"${'x'.repeat(2_000_000)}"`),
  ];
  const hosts = [
    dead,
    ...(await Promise.all(answers.map((text) => Endpoint.start(text)))).map(({ host }) => host),
  ];
  const reasons = await clientOf(hosts)
    .cluster(NEVER)
    .catch((error: Error) => error.message.split('; '));
  expect(reasons).toEqual([
    expect.stringMatching(/^127\.0\.0\.1:\d+: connect ECONNREFUSED/),
    expect.stringMatching(/: no answer within 200 ms$/),
    expect.stringMatching(/: no auth header received \(HTTP 401\)$/),
    expect.stringMatching(/: .*JSON/),
    expect.stringMatching(/: no description of a cluster: members: /),
    expect.stringMatching(/: an answer of more than 1048576 bytes$/),
  ]);
});

test('an account is sent with every question, and a path of the URL is kept', async () => {
  const endpoint = await Endpoint.start(answer(MEMBERS));
  const account = { user: 'operator', password: () => Promise.resolve('a:b') };
  const client = clientOf([], { urls: [`http://${endpoint.host}/shop`], account });
  await client.cluster(NEVER);
  expect(endpoint.requests[0]).toMatch(/^GET \/shop\/cluster HTTP/);
  expect(endpoint.requests[0]).toContain(
    `Authorization: Basic ${Buffer.from('operator:a:b').toString('base64')}`,
  );
});

test('a switchover goes to the leader first, and to another where it can not be reached', async () => {
  const [replica, leader] = [
    await Endpoint.start(answer('Successfully switched over to "b"')),
    await Endpoint.start(answer('Switchover failed', '503 Service Unavailable')),
  ];
  const dead = `127.0.0.1:${await freePort()}`;
  const client = clientOf([replica.host, leader.host, dead]);
  const candidate = { name: 'b', role: 'replica' as const, state: 'running' };
  await expect(client.switchover(leaderAt(leader.host), candidate, NEVER)).rejects.toMatchObject({
    status: 503,
    message: 'Switchover failed (HTTP 503)',
  });
  expect(replica.requests).toEqual([]);
  expect(leader.requests[0]).toMatch(/^POST \/switchover HTTP[^]*\r\n\r\n\{"leader":"a","candidate":"b"\}$/);

  expect(await client.switchover(leaderAt(dead), undefined, NEVER)).toBe('Successfully switched over to "b"');
  expect(replica.requests[0]).toContain('{"leader":"a"}');
});

test('a switchover that was sent, and is not answered, is not sent again', async () => {
  const [leader, replica] = [await Endpoint.start(''), await Endpoint.start(answer('done'))];
  const client = clientOf([leader.host, replica.host]);
  await expect(client.switchover(leaderAt(leader.host), undefined, NEVER)).rejects.toMatchObject({
    isSent: true,
  });
  expect(replica.requests).toEqual([]);
});

test.each<[string, string | undefined, boolean | undefined]>([
  ['200', answer('{}'), true],
  ['503', answer('{}', '503 Service Unavailable'), false],
  ['no answer', undefined, undefined],
])('a member says what it is: %s', async (_, text, expected) => {
  const endpoint = await Endpoint.start(text);
  const client = clientOf([endpoint.host]);
  expect(await client.isPrimary(leaderAt(endpoint.host), NEVER)).toBe(expected);
  expect(await client.isReplica(leaderAt(endpoint.host), 16, NEVER)).toBe(expected);
  expect(endpoint.requests.map((request) => request.split(' ')[1])).toEqual(['/primary', '/replica?lag=16']);
});

test('a member whose endpoint is not configured is not asked, since it would get the password', async () => {
  const [configured, other] = [await Endpoint.start(answer('{}')), await Endpoint.start(answer('{}'))];
  expect(await clientOf([configured.host]).isPrimary(leaderAt(other.host), NEVER)).toBe(undefined);
  expect([...configured.requests, ...other.requests]).toEqual([]);
});

test('what is under way ends with its signal', async () => {
  const endpoint = await Endpoint.start(undefined);
  const stopping = new AbortController();
  const asked = clientOf([endpoint.host], { timeoutMs: 60_000 }).cluster(stopping.signal);
  stopping.abort(new Error('the cluster stops'));
  await expect(asked).rejects.toThrow('the cluster stops');
});

test('over https it is asked with the files that are there now', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pg-mcp-patroni-'));
  const [authority, stranger] = [new Authority(folder, 'authority'), new Authority(folder, 'stranger')];
  const { certFile, keyFile } = authority.issue('a', { names: ['IP:127.0.0.1'] });
  const server = createHttpsServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile) },
    (_, response) => response.end(MEMBERS),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const caFile = join(folder, 'ca.crt');
    copyFileSync(stranger.certFile, caFile);
    const client = new PatroniClient(
      { urls: [url], ssl: new Tls({ caFile }), timeoutMs: 2_000 },
      systemClock,
    );
    await expect(client.cluster(NEVER)).rejects.toThrow(/unable to verify/);
    copyFileSync(authority.certFile, caFile);
    expect(await client.cluster(NEVER)).toHaveLength(1);
    rmSync(caFile);
    await expect(client.cluster(NEVER)).rejects.toThrow(
      `ca_file: can't read ${caFile}: there is no such file`,
    );
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
