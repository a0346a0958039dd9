import { Injectable, Module } from '@nestjs/common';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { UseMaster, UseReplica, UseSession } from 'nestjs-pg-mcp';
import { Notes, type Entrance, type Payload, type Seen, type Written } from './entrance.js';

/** What a job is to work on, and who waits for it. */
interface Order<Result> extends Payload {
  readonly done: (result: Result) => void;
}

@Injectable()
class Jobs {
  /** Gives its order to the job that runs once. */
  order!: (order: Order<Written>) => void;
  readonly ordered = new Promise<Order<Written>>((resolve) => (this.order = resolve));
  readonly writes: Order<Written>[] = [];
  readonly looks: Order<Seen>[] = [];

  constructor(readonly notes: Notes) {}

  @UseMaster({ session: true })
  @Timeout(0)
  @UseSession()
  async first(): Promise<void> {
    await this.#carryOut(await this.ordered);
  }

  @UseSession()
  @Cron('0 0 1 1 *', { name: 'write' })
  @UseMaster({ session: true })
  async write(): Promise<void> {
    const order = this.writes.shift();
    if (order) await this.#carryOut(order);
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

  async #carryOut({ text, done }: Order<Written>): Promise<void> {
    await this.notes.write(text);
    done(await this.notes.writtenAndSeen(text));
  }
}

@Module({ imports: [ScheduleModule.forRoot()], providers: [Jobs] })
class NotesSchedule {}

export const schedule: Entrance = {
  name: 'a job of `@Cron`, `@Interval` or `@Timeout`',
  module: () => NotesSchedule,
  open(app) {
    const jobs = app.get(Jobs);
    const { writes, looks } = jobs;
    const cron = app.get(SchedulerRegistry).getCronJob('write');
    let isFirst = true;
    return {
      write: async (text) => {
        const written = new Promise<Written>((done) => {
          if (isFirst) jobs.order({ text, done });
          else writes.push({ text, done });
        });
        // What it does when its time has come.
        if (!isFirst) await cron.fireOnTick();
        isFirst = false;
        return written;
      },
      look: (text, session) => new Promise<Seen>((done) => looks.push({ text, session, done })),
    };
  },
};
