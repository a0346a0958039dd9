import { Inject, Injectable, Module, type DynamicModule } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import { PgCluster, UseMaster, UseReplica } from 'nestjs-pg-mcp';

interface Author {
  readonly name: string;
  readonly notes: readonly { readonly text: string }[];
}

/** What is used here of the client that `prisma generate` makes of schema.prisma. */
export interface Client {
  readonly author: {
    create(query: {
      data: { name: string; notes?: { create: readonly { text: string }[] } };
    }): PromiseLike<unknown>;
    findMany(query: {
      orderBy: { id: 'asc' };
      include?: { notes: { orderBy: { id: 'asc' } } };
    }): PromiseLike<Author[]>;
  };
}

export const PRISMA = Symbol('prisma');

@Injectable()
export class PrismaAuthors {
  constructor(@Inject(PRISMA) private readonly prisma: Client) {}

  /** Where it runs is seen by the statement: a write on the primary, … */
  async add(name: string): Promise<void> {
    await this.prisma.author.create({ data: { name } });
  }

  /** … and a read on a replica that has what this session wrote. */
  async names(): Promise<string[]> {
    const found = await this.prisma.author.findMany({ orderBy: { id: 'asc' } });
    return found.map(({ name }) => name);
  }

  @UseReplica()
  async withNotes(): Promise<readonly Author[]> {
    return this.prisma.author.findMany({
      orderBy: { id: 'asc' },
      include: { notes: { orderBy: { id: 'asc' } } },
    });
  }

  /** Writes that belong together are a transaction of Prisma: on the primary. */
  async addWithNotes(name: string, texts: readonly string[]): Promise<void> {
    await this.prisma.author.create({ data: { name, notes: { create: texts.map((text) => ({ text })) } } });
  }

  /** Those of Prisma within one of the cluster are its savepoints. */
  @UseMaster({ transaction: true })
  async addAll(all: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const [name, texts] of Object.entries(all)) await this.addWithNotes(name, texts);
  }
}

@Module({})
export class PrismaModule {
  /** @param PrismaClient What `prisma generate` wrote: `import { PrismaClient } from './generated/client.js'`. */
  static forClient(PrismaClient: new (options: { adapter: PrismaPg }) => Client): DynamicModule {
    const client = {
      provide: PRISMA,
      inject: [PgCluster],
      useFactory: ({ pool }: PgCluster) => new PrismaClient({ adapter: new PrismaPg(pool) }),
    };
    return { module: PrismaModule, providers: [client, PrismaAuthors], exports: [PRISMA, PrismaAuthors] };
  }
}
