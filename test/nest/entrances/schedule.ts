import { Injectable, Module } from '@nestjs/common';
import { Cron, Interval, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { UseMaster, UseReplica, UseSession } from 'nestjs-pg-mcp';
import { Notes, type Entrance, type Payload, type Seen, type Written } from './entrance.js';

/** What a job is to work on, and who waits for it. */
interface Order<Result> extends Payload {
  readonly done: (result: Result) => void;
}

@Injectable()
class Jobs {
  readonly writes: Order<Written>[] = [];
  readonly looks: Order<Seen>[] = [];

  constructor(readonly notes: Notes) {}

  @UseSession()
  @Cron('0 0 1 1 *', { name: 'write' })
  @UseMaster({ session: true })
  async write(): Promise<void> {
    const order = this.writes.shift();
    if (!order) return;
    await this.notes.write(order.text);
    order.done(await this.notes.writtenAndSeen(order.text));
  }

  @Interval(10)
  @UseSession()
  async tick(): Promise<void> {
    const order = this.looks.shift();
    if (order) order.done(await this.look(order));
  }

  @UseSession({ token: ({ session }: Payload) => session })
  @UseReplica()
  look({ text }: Payload): Promise<Seen> {
    return this.notes.look(text);
  }
}

@Module({ imports: [ScheduleModule.forRoot()], providers: [Jobs] })
class NotesSchedule {}

export const schedule: Entrance = {
  name: 'a job of `@Cron`, `@Interval` or `@Timeout`',
  module: () => NotesSchedule,
  open(app) {
    const { writes, looks } = app.get(Jobs);
    const cron = app.get(SchedulerRegistry).getCronJob('write');
    return {
      write: async (text) => {
        const written = new Promise<Written>((done) => writes.push({ text, done }));
        // What it does when its time has come.
        await cron.fireOnTick();
        return written;
      },
      look: (text, session) => new Promise<Seen>((done) => looks.push({ text, session, done })),
    };
  },
};
