import { Injectable, Module } from '@nestjs/common';
import {
  CommandBus,
  CommandHandler,
  CqrsModule,
  EventBus,
  EventsHandler,
  QueryBus,
  QueryHandler,
  type ICommandHandler,
  type IEventHandler,
  type IQueryHandler,
} from '@nestjs/cqrs';
import { UseMaster, UseReplica, UseSession } from 'nestjs-pg-mcp';
import { Notes, type Entrance, type Payload, type Seen, type Written } from './entrance.js';

class Write {
  constructor(readonly text: string) {}
}

class Look {
  constructor(readonly text: string) {}
}

class NoteWritten {
  constructor(
    readonly text: string,
    readonly seen: (written: Promise<Written>) => void,
  ) {}
}

@CommandHandler(Write)
class WriteHandler implements ICommandHandler<Write> {
  constructor(readonly notes: Notes) {}

  @UseMaster({ session: true })
  execute({ text }: Write): Promise<void> {
    return this.notes.write(text);
  }
}

@QueryHandler(Look)
class LookHandler implements IQueryHandler<Look> {
  constructor(readonly notes: Notes) {}

  @UseReplica()
  execute({ text }: Look): Promise<Seen> {
    return this.notes.look(text);
  }
}

@EventsHandler(NoteWritten)
class NoteWrittenHandler implements IEventHandler<NoteWritten> {
  constructor(readonly notes: Notes) {}

  handle({ text, seen }: NoteWritten): void {
    seen(this.notes.writtenAndSeen(text));
  }
}

@Injectable()
class Caller {
  constructor(
    readonly commands: CommandBus,
    readonly queries: QueryBus,
    readonly events: EventBus,
  ) {}

  @UseSession()
  async write(text: string): Promise<Written> {
    await this.commands.execute(new Write(text));
    return new Promise((resolve) => this.events.publish(new NoteWritten(text, resolve)));
  }

  @UseSession({ token: ({ session }: Payload) => session })
  look({ text }: Payload): Promise<Seen> {
    return this.queries.execute(new Look(text));
  }
}

@Module({
  imports: [CqrsModule.forRoot()],
  providers: [WriteHandler, LookHandler, NoteWrittenHandler, Caller],
})
class NotesHandlers {}

export const cqrs: Entrance = {
  name: 'a CQRS command, query or event',
  module: () => NotesHandlers,
  open(app) {
    const caller = app.get(Caller);
    return {
      write: (text) => caller.write(text),
      look: (text, session) => caller.look({ text, session }),
    };
  },
};
