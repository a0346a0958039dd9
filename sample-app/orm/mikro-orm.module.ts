import { Injectable, Module } from '@nestjs/common';
import { defineEntity, EntityManager, MikroORM, p, type Options } from '@mikro-orm/postgresql';
import { PostgresDialect } from 'kysely';
import { PgCluster, UseMaster, UseReplica } from 'nestjs-pg-mcp';
import Cursor from 'pg-cursor';

const Author = defineEntity({
  name: 'Author',
  tableName: 'authors',
  properties: {
    id: p.integer().primary(),
    name: p.string().unique(),
    notes: () => p.oneToMany(Note).mappedBy('author').orderBy({ id: 'asc' }),
  },
});
const Note = defineEntity({
  name: 'Note',
  tableName: 'notes',
  properties: {
    id: p.integer().primary(),
    text: p.string(),
    author: () => p.manyToOne(Author),
  },
});

/** MikroORM takes a dialect of Kysely in the place of its own connections. */
export function mikroOrmOptions({ pool }: PgCluster): Options {
  return {
    entities: [Author, Note],
    dbName: pool.options.database ?? '',
    driverOptions: new PostgresDialect({ pool, cursor: Cursor }),
  };
}

@Injectable()
export class MikroOrmAuthors {
  constructor(private readonly em: EntityManager) {}

  /** Where it runs is seen by the statement: a write on the primary, … */
  async add(name: string): Promise<void> {
    await this.em.fork().insert(Author, { name });
  }

  /** … and a read on a replica that has what this session wrote. */
  async names(): Promise<string[]> {
    const found = await this.em.fork().findAll(Author, { orderBy: { id: 'asc' } });
    return found.map(({ name }) => name);
  }

  @UseReplica()
  async withNotes() {
    const found = await this.em.fork().findAll(Author, { populate: ['notes'], orderBy: { id: 'asc' } });
    return found.map(({ name, notes }) => ({ name, notes: notes.map(({ text }) => ({ text })) }));
  }

  /** Row by row: a cursor of `pg` has a connection to itself until it is read to its end or left. */
  @UseReplica()
  async *each(): AsyncGenerator<string> {
    for await (const { name } of this.em.fork().stream(Author, { orderBy: { id: 'asc' }, chunkSize: 2 }))
      yield name;
  }

  /** What a flush writes is a transaction of MikroORM: on the primary. */
  async addWithNotes(name: string, texts: readonly string[]): Promise<void> {
    const em = this.em.fork();
    em.create(Author, { name, notes: texts.map((text) => ({ text })) });
    await em.flush();
  }

  /** Those of MikroORM within one of the cluster are its savepoints. */
  @UseMaster({ transaction: true })
  async addAll(all: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const [name, texts] of Object.entries(all)) await this.addWithNotes(name, texts);
  }
}

@Module({
  providers: [
    {
      provide: MikroORM,
      inject: [PgCluster],
      useFactory: (cluster: PgCluster) => MikroORM.init(mikroOrmOptions(cluster)),
    },
    { provide: EntityManager, inject: [MikroORM], useFactory: ({ em }: MikroORM) => em },
    MikroOrmAuthors,
  ],
  exports: [MikroORM, EntityManager, MikroOrmAuthors],
})
export class MikroOrmModule {}
