import type { ServerResponse } from 'node:http';
import {
  Controller,
  Get,
  HttpCode,
  HttpException,
  Param,
  Post,
  Res,
  type INestApplication,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { InjectCluster, PgCluster, PgMcpModule, UseMaster } from 'nestjs-pg-mcp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/cluster.js';
import { sure } from '../support/sure.js';

const WRITE = 'INSERT INTO written DEFAULT VALUES RETURNING id';
const SECRET = 'a secret of the tests';
/** Kept by the handler from one request to the next. */
const HEADERS = { 'Set-Cookie': 'own=1', 'x-own': 'yes' };

@Controller()
class Calls {
  constructor(
    readonly cluster: PgCluster,
    @InjectCluster('orders') readonly orders: PgCluster,
  ) {}

  @Post('write')
  write() {
    return this.#write();
  }

  @Post('write-in-transaction')
  @UseMaster({ transaction: true })
  writeInTransaction() {
    return this.#write();
  }

  @Post('write-and-throw/:status')
  async throwing(@Param('status') status: string) {
    await this.#write();
    if (status === '500') throw new RangeError('on purpose');
    throw new HttpException('on purpose', Number(status));
  }

  @Post('write-and-answer')
  async answering(@Res() response: ServerResponse) {
    await this.#write();
    response.statusCode = 202;
    response.end('{}');
  }

  @Post('write-and-answer-with/:form')
  async answeringWith(@Param('form') form: string, @Res() response: ServerResponse) {
    await this.#write();
    const flat = ['Set-Cookie', 'own=1', 'x-own', 'yes'];
    const forms: Record<string, () => void> = {
      object: () => response.writeHead(200, { ...HEADERS }),
      lower: () => response.writeHead(200, { 'set-cookie': ['own=1'], 'x-own': 'yes' }),
      message: () => response.writeHead(200, 'Fine', { ...HEADERS }),
      list: () => response.writeHead(200, flat),
      lists: () => response.writeHead(200, ['set-cookie', ['own=1', 'own=2'], ...flat]),
      kept: () => response.writeHead(200, HEADERS),
    };
    forms[form]?.();
    response.end('{}');
  }

  @Post('write-with-cookies')
  async withCookies(@Res({ passthrough: true }) response: ServerResponse) {
    response.setHeader('set-cookie', ['one=1; Path=/', 'two=2']);
    return this.#write();
  }

  @Post('orders')
  async order() {
    return (await this.orders.query(WRITE)).rows[0];
  }

  @Post('both')
  async both() {
    await this.orders.query(WRITE);
    return this.#write();
  }

  @Post('read-only')
  @HttpCode(200)
  async readOnly() {
    return (await this.cluster.query('SELECT count(*) FROM written')).rows[0];
  }

  @Get('read/:id')
  async read(@Param('id') id: string) {
    return (await this.cluster.query('SELECT id FROM written WHERE id = $1', [id])).rows[0] ?? {};
  }

  @Post('write-behind-the-headers')
  async behindTheHeaders(@Res() response: ServerResponse) {
    response.writeHead(200);
    await this.#write();
    response.end('{}');
  }

  async #write(): Promise<{ id: number }> {
    return sure((await this.cluster.query<{ id: number }>(WRITE)).rows[0]);
  }
}

let app: INestApplication;
let url: string;
let cluster: PgCluster;

beforeAll(async () => {
  const { config } = await freshDatabase();
  const session = { secret: SECRET };
  const module = await Test.createTestingModule({
    imports: [
      PgMcpModule.forRoot({ config, session }),
      PgMcpModule.forRoot({ config, session, name: 'orders' }),
    ],
    controllers: [Calls],
  }).compile();
  app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  cluster = app.get(PgCluster);
  await cluster.query('CREATE TABLE written (id serial PRIMARY KEY)');
});

afterAll(() => app.close());

const TOKEN = /^v1\.\d+\.\d+\.([0-9a-f]+|-)\.[\w-]{43}$/;
const WITH_POSITION = /^v1\.\d+\.\d+\.[0-9a-f]+\.[\w-]{43}$/;

async function call(method: string, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/${path}`, { method, headers });
  const cookies = response.headers.getSetCookie();
  const tokens = (name: string) =>
    cookies.filter((cookie) => cookie.startsWith(`${name}=`)).map((cookie) => cookie.split(/[=;]/)[1]);
  return {
    status: response.status,
    body: await response.text(),
    headers: response.headers,
    cookies,
    token: response.headers.get('x-pg-session'),
    inCookie: tokens('pg_session'),
    ofOrders: response.headers.get('x-pg-session-orders'),
    ofOrdersInCookie: tokens('pg_session_orders'),
  };
}
const post = (path: string, headers?: Record<string, string>) => call('POST', path, headers);
const ignored = () => cluster.getCounters().ignoredTokens.get('invalid') ?? 0;

describe('the answer to a request that writes', () => {
  it.each([
    ['write', 201],
    ['write-in-transaction', 201],
    ['write-and-throw/500', 500],
    ['write-and-throw/404', 404],
    ['write-with-cookies', 201],
  ])('%s brings its token, with the position, in a header and a cookie', async (path, status) => {
    const answer = await post(path);
    expect(answer.status).toBe(status);
    expect(answer.token).toMatch(WITH_POSITION);
    expect(answer.inCookie).toEqual([answer.token]);
  });

  it.each([
    ['write-and-answer', 202],
    ['write-and-answer-with/object', 200],
    ['write-and-answer-with/lower', 200],
    ['write-and-answer-with/message', 200],
    ['write-and-answer-with/list', 200],
  ])(
    '%s brings its token though it answers by itself, perhaps without the position',
    async (path, status) => {
      const answer = await post(path);
      expect(answer.status).toBe(status);
      expect(answer.token).toMatch(TOKEN);
      expect(answer.inCookie).toEqual([answer.token]);
    },
  );

  it('has a cookie that no script sees and other sites do not send', async () => {
    const { cookies, token } = await post('write');
    const [cookie] = cookies;
    const [value, ...attributes] = sure(cookie).split('; ');
    expect(value).toBe(`pg_session=${token}`);
    expect(attributes.toSorted()).toEqual(['HttpOnly', 'Path=/', 'SameSite=Lax']);
  });

  it.each(['write-and-answer-with/object', 'write-and-answer-with/message', 'write-and-answer-with/list'])(
    'keeps the headers and cookies that were given with it: %s',
    async (path) => {
      const { cookies, headers } = await post(path);
      expect(cookies).toEqual(['own=1', expect.stringMatching(/^pg_session=/)]);
      expect(headers.get('x-own')).toBe('yes');
    },
  );

  it('keeps several cookies that were given with it', async () => {
    const { cookies } = await post('write-and-answer-with/lists');
    expect(cookies).toEqual(['own=1', 'own=2', 'own=1', expect.stringMatching(/^pg_session=/)]);
  });

  it('keeps cookies that were set before', async () => {
    const { cookies } = await post('write-with-cookies');
    expect(cookies).toEqual(['one=1; Path=/', 'two=2', expect.stringMatching(/^pg_session=/)]);
  });

  it('leaves headers that a handler keeps as they are: the next request is another user’s', async () => {
    const [one, other] = [await post('write-and-answer-with/kept'), await post('write-and-answer-with/kept')];
    expect([one.inCookie, other.inCookie]).toEqual([[one.token], [other.token]]);
    expect(HEADERS).toEqual({ 'Set-Cookie': 'own=1', 'x-own': 'yes' });
  });

  it('is read in the next request, whoever serves it', async () => {
    for (let i = 0; i < 20; i++) {
      const { body, token } = await post('write');
      const { id } = JSON.parse(body) as { id: number };
      const { body: read } = await call('GET', `read/${id}`, { 'x-pg-session': sure(token) });
      expect(JSON.parse(read)).toEqual({ id });
    }
  });
});

describe('the answer brings no token', () => {
  it.each([
    ['GET', 'read/1', 200],
    ['POST', 'read-only', 200],
    ['GET', 'nowhere', 404],
  ])('where nothing was written: %s %s', async (method, path, status) => {
    const answer = await call(method, path);
    expect([answer.status, answer.token, answer.cookies]).toEqual([status, null, []]);
  });

  it.each([
    ['header', (token: string) => ({ 'x-pg-session': token })],
    ['cookie', (token: string) => ({ cookie: `other=1; pg_session=${token}` })],
  ])('that the client has brought itself in a %s', async (_, bring) => {
    const { token } = await post('write');
    const answer = await call('GET', 'read/1', bring(sure(token)));
    expect([answer.status, answer.token, answer.cookies]).toEqual([200, null, []]);
  });

  it('where its headers are gone before anything was written', async () => {
    const { status, token, cookies } = await post('write-behind-the-headers');
    expect([status, token, cookies]).toEqual([200, null, []]);
  });
});

describe('of what a client brings', () => {
  it('an older token is followed by a newer one when it writes again', async () => {
    const { token } = await post('write');
    const answer = await post('write', { 'x-pg-session': sure(token) });
    expect(answer.token).toMatch(WITH_POSITION);
    expect(answer.token).not.toBe(token);
  });

  it('the header counts before the cookie', async () => {
    const token = sure((await post('write')).token);
    const before = ignored();
    const good = await call('GET', 'read/1', { 'x-pg-session': token, cookie: 'pg_session=forged' });
    expect([good.status, ignored() - before]).toEqual([200, 0]);
    const bad = await call('GET', 'read/1', { 'x-pg-session': 'forged', cookie: `pg_session=${token}` });
    expect([bad.status, ignored() - before]).toEqual([200, 1]);
  });

  it('a forged one counts for nothing, and the request is served', async () => {
    const token = sure((await post('write')).token);
    const before = ignored();
    for (const forged of [`${token}x`, token.replace(/\.[^.]+$/, `.${'A'.repeat(43)}`), '%E0%A4%A']) {
      const answer = await call('GET', 'read/1', { cookie: `pg_session=${forged}` });
      expect([answer.status, answer.token]).toEqual([200, null]);
      // Nor does the client go on bringing it.
      expect(answer.cookies).toEqual([expect.stringMatching(/^pg_session=; Max-Age=0; Path=\/;/)]);
    }
    expect(ignored() - before).toBe(3);
  });
});

describe('a named cluster', () => {
  it('has a header and cookie of its own', async () => {
    const answer = await post('orders');
    expect(answer.ofOrders).toMatch(WITH_POSITION);
    expect(answer.ofOrdersInCookie).toEqual([answer.ofOrders]);
    expect([answer.token, answer.inCookie]).toEqual([null, []]);
  });

  it('speaks beside the default one', async () => {
    const answer = await post('both');
    expect([answer.token, answer.ofOrders]).toEqual([
      expect.stringMatching(WITH_POSITION),
      expect.stringMatching(WITH_POSITION),
    ]);
    expect([answer.inCookie, answer.ofOrdersInCookie]).toEqual([[answer.token], [answer.ofOrders]]);
  });

  it('does not read the default one’s', async () => {
    const before = ignored();
    const orders = app.get<PgCluster>('PgCluster:orders');
    const ignoredByOrders = () => orders.getCounters().ignoredTokens.get('invalid') ?? 0;
    const beforeByOrders = ignoredByOrders();
    await call('GET', 'read/1', { 'x-pg-session': 'forged', cookie: 'pg_session=forged' });
    expect([ignored() - before, ignoredByOrders() - beforeByOrders]).toEqual([1, 0]);
  });
});
