import { BullModule, getQueueToken, Processor, WorkerHost } from '@nestjs/bullmq';
import { Module, type DynamicModule, type Type } from '@nestjs/common';
import {
  createPostgresBackend,
  createRedisBackend,
  QueueEvents,
  setDefaultBackendFactory,
  type IQueueBackend,
  type Job,
  type PostgresPoolConfig,
  type Queue,
} from 'bullmq';
import { UseMaster, UseSession } from 'nestjs-pg-mcp';
import { Notes, type Entrance, type Payload, type Written } from './entrance.js';

/** Of Redis a socket's path. */
type Connection = PostgresPoolConfig | { readonly path: string };

// BullMQ has one default for the whole process, and jobs here are kept in both.
setDefaultBackendFactory<IQueueBackend, Connection>((name, { connection, ...options }, more) =>
  'path' in connection
    ? createRedisBackend(name, { ...options, connection }, more)
    : createPostgresBackend(name, { ...options, connection }, more),
);

function processorOf(queue: string): Type<WorkerHost> {
  @Processor(queue)
  class NotesProcessor extends WorkerHost {
    constructor(readonly notes: Notes) {
      super();
    }

    @UseSession({ token: (job: Job<Payload>) => job.data.session })
    async process({ name, data: { text } }: Job<Payload>): Promise<Written> {
      if (name === 'write') await this.write(text);
      return this.notes.writtenAndSeen(text);
    }

    @UseMaster({ session: true })
    write(text: string): Promise<void> {
      return this.notes.write(text);
    }
  }
  return NotesProcessor;
}

@Module({})
export class NotesQueue {
  static of(name: string, connection: Connection, processor = processorOf(name)): DynamicModule {
    const imports = [BullModule.registerQueue({ name, connection })];
    return { module: NotesQueue, imports, providers: [processor] };
  }
}

/** Jobs of BullMQ, kept in PostgreSQL; in Redis, where it listens at that path. */
export function queue(store: 'PostgreSQL' | 'Redis', redisSocket = () => ''): Entrance {
  const name = `notes in ${store}`;
  return {
    name: 'a job of a queue, such as BullMQ',
    by: store,
    module: ({ masters: [master] }) =>
      NotesQueue.of(name, store === 'Redis' ? { path: redisSocket() } : { ...master, migrate: true }),
    open(app) {
      const jobs = app.get<Queue<Payload, Written>>(getQueueToken(name));
      // From the first on: its default, those from now on, begins some time after it says that it is ready.
      const events = new QueueEvents(name, { connection: jobs.opts.connection, lastEventId: '0' });
      const work = async (kind: string, payload: Payload) =>
        (await jobs.add(kind, payload)).waitUntilFinished(events);
      return {
        write: (text) => work('write', { text }),
        look: async (text, session) => {
          const { found, standby } = await work('look', { text, session });
          return { found, standby };
        },
        close: () => events.close(),
      };
    },
  };
}
