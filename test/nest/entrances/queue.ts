import { BullModule, getQueueToken, Processor, WorkerHost } from '@nestjs/bullmq';
import { Module, type DynamicModule } from '@nestjs/common';
import {
  createPostgresBackend,
  QueueEvents,
  setDefaultBackendFactory,
  type Job,
  type PostgresPoolConfig,
  type Queue,
} from 'bullmq';
import { UseMaster, UseSession } from 'nestjs-pg-mcp';
import { Notes, type Entrance, type Payload, type Written } from './entrance.js';

@Processor('notes')
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

@Module({})
class NotesQueue {
  static on(connection: PostgresPoolConfig): DynamicModule {
    // BullMQ keeps its jobs in Redis or, as here, in PostgreSQL.
    setDefaultBackendFactory(createPostgresBackend);
    const imports = [BullModule.forRoot({ connection }), BullModule.registerQueue({ name: 'notes' })];
    return { module: NotesQueue, imports, providers: [NotesProcessor] };
  }
}

export const queue: Entrance = {
  name: 'a job of a queue, such as BullMQ',
  module: ({ masters: [master] }) => NotesQueue.on({ ...master, migrate: true }),
  open(app) {
    const jobs = app.get<Queue<Payload, Written>>(getQueueToken('notes'));
    const events = new QueueEvents('notes', { connection: jobs.opts.connection });
    const work = async (name: string, payload: Payload) =>
      (await jobs.add(name, payload)).waitUntilFinished(events);
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
