import { Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import knex, { type Knex } from 'knex';
import { PgCluster, UseMaster, UseReplica } from 'nestjs-pg-mcp';
import { pgModule } from 'nestjs-pg-mcp/orm';

export const KNEX = Symbol('knex');

@Injectable()
export class KnexAuthors {
  constructor(@Inject(KNEX) private readonly db: Knex) {}

  /** Where it runs is seen by the statement: a write on the primary, … */
  async add(name: string): Promise<void> {
    await this.db('authors').insert({ name });
  }

  /** … and a read on a replica that has what this session wrote. */
  async names(): Promise<string[]> {
    return this.db('authors').orderBy('id').pluck('name');
  }

  @UseReplica()
  async withNotes(): Promise<{ name: string; notes: { text: string }[] }[]> {
    const notes = this.db('notes')
      .select(this.db.raw(`coalesce(json_agg(json_build_object('text', text) ORDER BY id), '[]')`))
      .where('author_id', this.db.ref('authors.id'));
    return this.db('authors').select('name', { notes }).orderBy('id');
  }

  /** Row by row: a stream has a connection to itself until it is read to its end or left. */
  @UseReplica()
  async *each(): AsyncGenerator<string> {
    for await (const { name } of this.db('authors').select('name').orderBy('id').stream()) yield name;
  }

  /** A transaction of Knex: on the primary. */
  addWithNotes(name: string, texts: readonly string[]): Promise<void> {
    return this.db.transaction(async (trx) => {
      const [author] = await trx('authors').insert({ name }).returning('id');
      await trx('notes').insert(texts.map((text) => ({ text, author_id: author.id })));
    });
  }

  /** Those of Knex within one of the cluster are its savepoints. */
  @UseMaster({ transaction: true })
  async addAll(all: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const [name, texts] of Object.entries(all)) await this.addWithNotes(name, texts);
  }
}

/** Knex asks its driver for a client when it needs one. They are light: their connections are those of the cluster. */
function openKnex(cluster: PgCluster): Knex {
  const db = knex({ client: 'pg', connection: {}, pool: { min: 0, max: 100 } });
  db.client.driver = pgModule(cluster);
  return db;
}

@Module({
  providers: [{ provide: KNEX, inject: [PgCluster], useFactory: openKnex }, KnexAuthors],
  exports: [KNEX, KnexAuthors],
})
export class KnexModule implements OnApplicationShutdown {
  constructor(@Inject(KNEX) private readonly db: Knex) {}

  onApplicationShutdown(): Promise<void> {
    return this.db.destroy();
  }
}
