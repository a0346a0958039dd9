import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module } from '@nestjs/common';
import {
  Args,
  Field,
  GraphQLModule,
  Mutation,
  ObjectType,
  Query,
  ResolveField,
  Resolver,
} from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import { UseMaster, UseReplica } from 'nestjs-pg-mcp';
import { Notes, type Entrance, type Seen, type Written } from './entrance.js';
import { postJson } from './http.js';

@ObjectType()
class Note {
  @Field()
  text!: string;
}

@ObjectType()
export class Sight implements Written {
  @Field()
  found!: boolean;
  @Field()
  standby!: boolean;
  @Field({ nullable: true })
  session?: string;
}

@Resolver(() => Note)
class NotesResolver {
  constructor(readonly notes: Notes) {}

  @UseMaster({ session: true })
  @Mutation(() => Note)
  async write(@Args('text') text: string): Promise<Note> {
    await this.notes.write(text);
    return { text };
  }

  @Query(() => Note)
  note(@Args('text') text: string): Note {
    return { text };
  }

  @ResolveField(() => Sight)
  @UseReplica()
  seen({ text }: Note): Promise<Sight> {
    return this.notes.look(text);
  }
}

/** Servers that take subscriptions, over WebSockets. */
export const servers = {
  Apollo: () =>
    GraphQLModule.forRoot<ApolloDriverConfig>({
      driver: ApolloDriver,
      autoSchemaFile: true,
      subscriptions: { 'graphql-ws': true },
    }),
  Mercurius: () =>
    GraphQLModule.forRoot<MercuriusDriverConfig>({
      driver: MercuriusDriver,
      autoSchemaFile: true,
      subscription: true,
    }),
};

@Module({ providers: [NotesResolver] })
class NotesGraph {}

export const graphql = (server: keyof typeof servers): Entrance => ({
  name: 'a GraphQL query or mutation',
  by: server,
  module: () => ({ module: NotesGraph, imports: [servers[server]()] }),
  async open(app) {
    const url = `${await app.getUrl()}/graphql`;
    const ask = async (operation: string, token?: string) => {
      const { body, session } = await postJson(url, { query: operation }, token);
      const { data, errors } = body as { data?: { note: { seen: Seen } }; errors?: unknown };
      if (!data) throw new Error(JSON.stringify(errors));
      return { ...data.note.seen, session };
    };
    return {
      write: (text) => ask(`mutation { note: write(text: "${text}") { seen { found standby } } }`),
      look: async (text, token) => {
        const { found, standby } = await ask(`{ note(text: "${text}") { seen { found standby } } }`, token);
        return { found, standby };
      },
    };
  },
});
