import { Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { PgCluster, UseMaster, UseReplica } from 'nestjs-pg-mcp';
import { pgModule } from 'nestjs-pg-mcp/orm';
import {
  Column,
  DataSource,
  Entity,
  JoinColumn,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  type MigrationInterface,
  type QueryRunner,
  type Relation,
} from 'typeorm';

@Entity('authors')
export class Author {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: 'text', unique: true })
  name!: string;

  @OneToMany(() => Note, ({ author }) => author, { cascade: true })
  notes!: Relation<Note>[];
}

@Entity('notes')
export class Note {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: 'text' })
  text!: string;

  @ManyToOne(() => Author, ({ notes }) => notes, { nullable: false })
  @JoinColumn({ name: 'author_id' })
  author!: Relation<Author>;
}

class Tables1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE authors (id serial PRIMARY KEY, name text NOT NULL UNIQUE)');
    await runner.query(
      'CREATE TABLE notes (id serial PRIMARY KEY, text text NOT NULL, author_id int NOT NULL REFERENCES authors)',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notes, authors');
  }
}

@Injectable()
export class TypeOrmAuthors {
  constructor(private readonly source: DataSource) {}

  /** Saving is a transaction of TypeORM: on the primary. */
  add(name: string): Promise<Author> {
    return this.source.getRepository(Author).save({ name });
  }

  /** A read goes to a replica that has what this session wrote. */
  async names(): Promise<string[]> {
    const found = await this.source.getRepository(Author).find({ order: { id: 'ASC' } });
    return found.map(({ name }) => name);
  }

  @UseReplica()
  withNotes(): Promise<Author[]> {
    return this.source
      .getRepository(Author)
      .find({ relations: { notes: true }, order: { id: 'ASC', notes: { id: 'ASC' } } });
  }

  /** Row by row. TypeORM gives the client of a stream that was left back only where it has a runner of its own. */
  @UseReplica()
  async *each(): AsyncGenerator<string> {
    const runner = this.source.createQueryRunner();
    try {
      const rows = this.source
        .getRepository(Author)
        .createQueryBuilder('author', runner)
        .orderBy('author.id');
      for await (const row of await rows.stream()) yield (row as { author_name: string }).author_name;
    } finally {
      await runner.release();
    }
  }

  addWithNotes(name: string, texts: readonly string[]): Promise<Author> {
    return this.source.getRepository(Author).save({ name, notes: texts.map((text) => ({ text })) });
  }

  /** Transactions of TypeORM within one of the cluster are its savepoints. */
  @UseMaster({ transaction: true })
  async addAll(all: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const [name, texts] of Object.entries(all)) await this.addWithNotes(name, texts);
  }
}

@Module({
  providers: [
    {
      provide: DataSource,
      inject: [PgCluster],
      useFactory: (cluster: PgCluster) =>
        new DataSource({
          type: 'postgres',
          driver: pgModule(cluster),
          entities: [Author, Note],
          migrations: [Tables1700000000000],
        }).initialize(),
    },
    TypeOrmAuthors,
  ],
  exports: [DataSource, TypeOrmAuthors],
})
export class TypeOrmModule implements OnApplicationShutdown {
  constructor(private readonly source: DataSource) {}

  onApplicationShutdown(): Promise<void> {
    return this.source.destroy();
  }
}
