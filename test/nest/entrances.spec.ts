import { readFileSync } from 'node:fs';
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { PgCluster } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cqrs } from './entrances/cqrs.js';
import { NotesModule, type Calls, type Entrance } from './entrances/entrance.js';
import { graphql } from './entrances/graphql.js';
import { http } from './entrances/http.js';
import { event, message } from './entrances/microservice.js';
import { queue } from './entrances/queue.js';
import { requestParts } from './entrances/request-parts.js';
import { schedule } from './entrances/schedule.js';
import { subscription } from './entrances/subscription.js';
import { websocket } from './entrances/websocket.js';
import { RedisServer, whyNoRedis } from '../support/redis.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';

const reason = whyNoRedis();
if (reason !== undefined) process.stderr.write(`no test with jobs in Redis: ${reason}\n`);
const queues = [
  queue('PostgreSQL'),
  ...(reason === undefined ? [queue('Redis', () => sure(redis).socket)] : []),
];

const entrances = [http, requestParts, message, event, websocket, schedule, ...queues, cqrs];

let servers: EmbeddedCluster;
let redis: RedisServer | undefined;

beforeAll(async () => {
  if (reason === undefined) redis = await RedisServer.start();
  servers = await EmbeddedCluster.start({ replicas: 1 });
  const { primary, replicas } = servers;
  await primary.query('CREATE TABLE notes (text text)');
  await primary.query('GRANT ALL ON notes TO PUBLIC');
  const [replica] = replicas;
  const isThere = `SELECT to_regclass('notes') IS NOT NULL AS is_there`;
  await until(async () => (await replica?.query(isThere))?.rows[0]?.['is_there'], {
    deadlineMs: 10_000,
    what: 'the replica to have the table',
  });
  // From here on it has nothing that is written: who reads on it, sees that.
  await replica?.pauseReplay();
});

afterAll(async () => {
  await redis?.stop();
  await servers.stop();
});

const fastify = () => new FastifyAdapter();
const platforms = [
  { platform: 'Express', entrances },
  { platform: 'Fastify', adapter: fastify, entrances },
  // By itself, for a WebSocket gateway refuses all connections at its port that are not for it.
  { platform: 'Express with Apollo', entrances: [graphql('Apollo'), subscription] },
  { platform: 'Fastify with Apollo', adapter: fastify, entrances: [graphql('Apollo'), subscription] },
  { platform: 'Fastify with Mercurius', adapter: fastify, entrances: [graphql('Mercurius'), subscription] },
];

const titled = ({ name, by, open }: Entrance) => ({ title: [by, name].filter(Boolean).join(': '), open });

describe.each(platforms)('on $platform', ({ adapter, entrances }) => {
  let app: INestApplication;

  beforeAll(async () => {
    const modules = entrances.map(({ module }) => module(servers.config));
    const module = await Test.createTestingModule({
      imports: [NotesModule.forRoot(servers.config), ...modules],
    }).compile();
    app = adapter
      ? module.createNestApplication(adapter(), { logger: false })
      : module.createNestApplication({ logger: false });
    for (const { prepare } of entrances) prepare?.(app);
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
  });
  afterAll(() => app.close());

  describe.each(entrances.map(titled))('$title', ({ title, open }) => {
    let calls: Calls;
    const text = (which: string) => `${which}, of ${title}`;

    beforeAll(async () => {
      calls = await open(app);
    });
    afterAll(() => calls.close?.());

    it('sees what it has written', async () => {
      expect(await calls.write(text('a note'))).toMatchObject({ found: true, standby: false });
    });

    it('has a session of its own', async () => {
      await calls.write(text('a note of another'));
      expect(await calls.look(text('a note of another'))).toEqual({ found: false, standby: true });
      expect(app.get(PgCluster).session.current.isMarked).toBe(false);
    });

    it('goes on in the session of a token', async () => {
      const { session } = await calls.write(text('a note that is told of'));
      expect(session).toBeTypeOf('string');
      expect(await calls.look(text('a note that is told of'), session)).toEqual({
        found: true,
        standby: false,
      });
    });

    it('does without a token that is forged', async () => {
      const session = sure((await calls.write(text('a note that is lied of'))).session);
      const forged = session.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
      expect(await calls.look(text('a note that is lied of'), forged)).toEqual({
        found: false,
        standby: true,
      });
    });

    it('gives its connections back', async () => {
      await expect.poll(() => app.get(PgCluster).getStatus().activeConnections).toBe(0);
    });
  });
});

it('are what the README lists', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const section = readme.split('### What opens a session\n')[1]?.split(/^#/m)[0] ?? '';
  const rows = [...section.matchAll(/^\| (an? .*?) +\|/gm)].map(([, row]) => row);
  const played = new Set(platforms.flatMap(({ entrances }) => entrances.map(({ name }) => name)));
  expect(rows.toSorted()).toEqual([...played].toSorted());
});
