import { Inject, Injectable, Module } from '@nestjs/common';
import { asc, relations } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { integer, pgTable, serial, text } from 'drizzle-orm/pg-core';
import { PgCluster, UseMaster, UseReplica } from 'nestjs-pg-mcp';

const authors = pgTable('authors', { id: serial().primaryKey(), name: text().notNull().unique() });
const notes = pgTable('notes', {
  id: serial().primaryKey(),
  text: text().notNull(),
  authorId: integer('author_id')
    .notNull()
    .references(() => authors.id),
});
const schema = {
  authors,
  notes,
  authorsRelations: relations(authors, ({ many }) => ({ notes: many(notes) })),
  notesRelations: relations(notes, ({ one }) => ({
    author: one(authors, { fields: [notes.authorId], references: [authors.id] }),
  })),
};

export const DRIZZLE = Symbol('drizzle');
export type Database = NodePgDatabase<typeof schema>;

@Injectable()
export class DrizzleAuthors {
  constructor(@Inject(DRIZZLE) private readonly db: Database) {}

  /** Where it runs is seen by the statement: a write on the primary, … */
  async add(name: string): Promise<void> {
    await this.db.insert(authors).values({ name });
  }

  /** … and a read on a replica that has what this session wrote. */
  async names(): Promise<string[]> {
    const found = await this.db.select({ name: authors.name }).from(authors).orderBy(asc(authors.id));
    return found.map(({ name }) => name);
  }

  @UseReplica()
  withNotes() {
    return this.db.query.authors.findMany({ with: { notes: true }, orderBy: asc(authors.id) });
  }

  /** A transaction of Drizzle: on the primary. */
  addWithNotes(name: string, texts: readonly string[]): Promise<void> {
    return this.db.transaction(async (tx) => {
      const [author] = await tx.insert(authors).values({ name }).returning();
      if (author) await tx.insert(notes).values(texts.map((text) => ({ text, authorId: author.id })));
    });
  }

  /** Those of Drizzle within one of the cluster are its savepoints. */
  @UseMaster({ transaction: true })
  async addAll(all: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const [name, texts] of Object.entries(all)) await this.addWithNotes(name, texts);
  }
}

@Module({
  providers: [
    {
      provide: DRIZZLE,
      inject: [PgCluster],
      useFactory: (cluster: PgCluster): Database => drizzle(cluster.pool, { schema }),
    },
    DrizzleAuthors,
  ],
  exports: [DRIZZLE, DrizzleAuthors],
})
export class DrizzleModule {}
