import { EventEmitter, on } from 'node:events';
import { Module } from '@nestjs/common';
import { Args, Field, ObjectType, ResolveField, Resolver, Subscription } from '@nestjs/graphql';
import { UseMaster, UseReplica, UseSession } from 'nestjs-pg-mcp';
import { Notes, type Entrance, type Payload, type Seen, type Written } from './entrance.js';
import { GraphqlSocket } from './graphql-socket.js';
import { Sight } from './graphql.js';

@ObjectType()
class Sought implements Payload {
  @Field()
  text!: string;
  session?: string;
}

@Resolver(() => Sought)
class NotesSubscriptions {
  readonly events = new EventEmitter();

  constructor(readonly notes: Notes) {}

  @Subscription(() => Sight)
  async *written(@Args('text') text: string) {
    await this.write(text);
    yield { written: await this.notes.writtenAndSeen(text) };
  }

  @UseMaster({ session: true })
  write(text: string): Promise<void> {
    return this.notes.write(text);
  }

  @Subscription(() => Sought, { resolve: ([sought]: [Sought]) => sought })
  sought(
    @Args('text') text: string,
    @Args('session', { nullable: true }) session?: string,
  ): AsyncIterator<[Sought]> {
    const sought = on(this.events, text) as AsyncIterator<[Sought]>;
    // As anybody might whose token it is, from now on.
    this.events.emit(text, { text, session });
    return sought;
  }

  @UseSession({ token: ({ session }: Payload) => session })
  @ResolveField(() => Sight)
  @UseReplica()
  seen({ text }: Payload): Promise<Seen> {
    return this.notes.look(text);
  }
}

@Module({ providers: [NotesSubscriptions] })
class NotesFeed {}

/** Of the GraphQL server that is there. */
export const subscription: Entrance = {
  name: 'a GraphQL subscription',
  module: () => NotesFeed,
  async open(app) {
    const sockets: GraphqlSocket[] = [];
    const ask = async <Data>(query: string) => {
      const socket = await GraphqlSocket.open(app);
      sockets.push(socket);
      return socket.ask<Data>(`subscription { ${query} }`);
    };
    return {
      write: async (text) =>
        (await ask<{ written: Written }>(`written(text: "${text}") { found standby session }`)).written,
      look: async (text, session) => {
        const token = session === undefined ? 'null' : `"${session}"`;
        const sought = `sought(text: "${text}", session: ${token}) { seen { found standby } }`;
        return (await ask<{ sought: { seen: Seen } }>(sought)).sought.seen;
      },
      close: async () => {
        for (const socket of sockets) socket.cut();
      },
    };
  },
};
