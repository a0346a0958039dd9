import { getQueueToken, Processor, WorkerHost } from '@nestjs/bullmq';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { QueueEvents, type Job, type Queue } from 'bullmq';
import { PgCluster, UseMaster, UseSession } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { Notes, NotesModule, type Payload } from './entrances/entrance.js';
import { NotesQueue } from './entrances/queue.js';

const NAME = 'notes that fail once';

/** What an attempt saw of the note of who queued it, and of its own first attempt's, before it did anything. */
interface Attempt {
  readonly marked: boolean;
  readonly told: boolean;
  readonly before: boolean;
}

const attempts: Attempt[] = [];

@Processor(NAME)
class FailsOnce extends WorkerHost {
  constructor(readonly notes: Notes) {
    super();
  }

  @UseSession({ token: (job: Job<Payload>) => job.data.session })
  async process({ data: { text } }: Job<Payload>): Promise<number> {
    const { isMarked } = this.notes.cluster.session.current;
    const own = `${text}, by the job`;
    const told = await this.notes.writtenAndSeen(text);
    const before = await this.notes.writtenAndSeen(own);
    attempts.push({ marked: isMarked, told: told.found, before: before.found });
    await this.write(own);
    if (attempts.length === 1) {
      // One that is not given back.
      await this.notes.cluster.getMasterConnection();
      throw new Error('the first attempt fails');
    }
    return attempts.length;
  }

  @UseMaster({ session: true })
  write(text: string): Promise<void> {
    return this.notes.write(text);
  }
}

let servers: EmbeddedCluster;
let app: INestApplication;

beforeAll(async () => {
  servers = await EmbeddedCluster.start({ replicas: 1 });
  const { primary, replicas, config } = servers;
  await primary.query('CREATE TABLE notes (text text)');
  await primary.query('GRANT ALL ON notes TO PUBLIC');
  const [replica] = replicas;
  await until(async () => (await replica?.query(`SELECT to_regclass('notes') AS it`))?.rows[0]?.['it'], {
    deadlineMs: 10_000,
    what: 'the replica to have the table',
  });
  // From here on it has nothing that is written: who reads on it, sees that.
  await replica?.pauseReplay();
  const connection = { ...sure(config.masters[0]), migrate: true };
  const module = await Test.createTestingModule({
    imports: [NotesModule.forRoot(config), NotesQueue.of(NAME, connection, FailsOnce)],
  }).compile();
  app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
});
afterAll(async () => {
  await app.close();
  await servers.stop();
});

it('a job that is tried again has the session of its token each time, and leaves nothing of either', async () => {
  const cluster = app.get(PgCluster);
  const queue = app.get<Queue<Payload, number>>(getQueueToken(NAME));
  const events = new QueueEvents(NAME, { connection: queue.opts.connection, lastEventId: '0' });
  const text = 'a note that is queued';
  const session = await cluster.session.resume(undefined, async () => {
    await cluster.query('INSERT INTO notes VALUES ($1)', [text]);
    return cluster.session.token();
  });
  const job = await queue.add('note', { text, session }, { attempts: 2 });
  expect(await job.waitUntilFinished(events)).toBe(2);
  expect(attempts).toEqual([
    { marked: true, told: true, before: false },
    // Its session's reads are on the primary, which has what the first attempt wrote.
    { marked: true, told: true, before: true },
  ]);
  await expect.poll(() => cluster.getStatus().activeConnections).toBe(0);
  expect(cluster.session.current.isMarked).toBe(false);
  await events.close();
});
