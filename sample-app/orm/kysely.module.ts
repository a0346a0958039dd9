import { Inject, Injectable, Module } from '@nestjs/common';
import { Kysely, PostgresDialect, type Generated } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';
import { PgCluster, UseMaster, UseReplica } from 'nestjs-pg-mcp';
import Cursor from 'pg-cursor';

export interface Tables {
  authors: { id: Generated<number>; name: string };
  notes: { id: Generated<number>; text: string; author_id: number };
}

export class Database extends Kysely<Tables> {}

@Injectable()
export class KyselyAuthors {
  constructor(@Inject(Database) private readonly db: Database) {}

  /** Where it runs is seen by the statement: a write on the primary, … */
  async add(name: string): Promise<void> {
    await this.db.insertInto('authors').values({ name }).execute();
  }

  /** … and a read on a replica that has what this session wrote. */
  async names(): Promise<string[]> {
    const found = await this.db.selectFrom('authors').select('name').orderBy('id').execute();
    return found.map(({ name }) => name);
  }

  @UseReplica()
  withNotes() {
    return this.db
      .selectFrom('authors')
      .select((of) => [
        'authors.name',
        jsonArrayFrom(
          of
            .selectFrom('notes')
            .select('notes.text')
            .whereRef('notes.author_id', '=', 'authors.id')
            .orderBy('notes.id'),
        ).as('notes'),
      ])
      .orderBy('authors.id')
      .execute();
  }

  /** Row by row: a cursor of `pg` has a connection to itself until it is read to its end or left. */
  @UseReplica()
  async *each(): AsyncGenerator<string> {
    for await (const { name } of this.db.selectFrom('authors').select('name').orderBy('id').stream(2))
      yield name;
  }

  /** A transaction of Kysely: on the primary. */
  addWithNotes(name: string, texts: readonly string[]): Promise<void> {
    return this.db.transaction().execute(async (tx) => {
      const { id } = await tx
        .insertInto('authors')
        .values({ name })
        .returning('id')
        .executeTakeFirstOrThrow();
      await tx
        .insertInto('notes')
        .values(texts.map((text) => ({ text, author_id: id })))
        .execute();
    });
  }

  /** Those of Kysely within one of the cluster are its savepoints. */
  @UseMaster({ transaction: true })
  async addAll(all: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const [name, texts] of Object.entries(all)) await this.addWithNotes(name, texts);
  }
}

@Module({
  providers: [
    {
      provide: Database,
      inject: [PgCluster],
      useFactory: ({ pool }: PgCluster) =>
        new Database({ dialect: new PostgresDialect({ pool, cursor: Cursor }) }),
    },
    KyselyAuthors,
  ],
  exports: [Database, KyselyAuthors],
})
export class KyselyModule {}
