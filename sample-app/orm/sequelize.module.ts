import { Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { PgCluster, UseMaster, UseReplica } from 'nestjs-pg-mcp';
import { pgModule } from 'nestjs-pg-mcp/orm';
import {
  DataTypes,
  Sequelize,
  type CreationOptional,
  type InferAttributes,
  type InferCreationAttributes,
  type Model,
  type NonAttribute,
} from 'sequelize';

interface Author extends Model<InferAttributes<Author>, InferCreationAttributes<Author>> {
  id: CreationOptional<number>;
  name: string;
  notes?: NonAttribute<Note[]>;
}

interface Note extends Model<InferAttributes<Note>, InferCreationAttributes<Note>> {
  id: CreationOptional<number>;
  text: string;
  author_id: CreationOptional<number>;
}

const id = { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true } as const;
const text = { type: DataTypes.TEXT, allowNull: false } as const;

/** What it sets for its sessions otherwise would keep their reads from sharing connections. Its types lack the first. */
const SETS_NOTHING = { keepDefaultTimezone: true, dialectOptions: { clientMinMessages: 'ignore' } };

/** The models belong to the instance: another application in this process has its own. */
export class Database extends Sequelize {
  readonly authors = this.define<Author>('authors', { id, name: { ...text, unique: true } });
  readonly notes = this.define<Note>('notes', { id, text, author_id: { type: DataTypes.INTEGER } });

  constructor(cluster: PgCluster) {
    super({
      dialect: 'postgres',
      dialectModule: pgModule(cluster),
      ...SETS_NOTHING,
      // Clients are light: their connections are those of the cluster.
      pool: { max: 100 },
      define: { timestamps: false },
      logging: false,
    });
    this.authors.hasMany(this.notes, { foreignKey: { name: 'author_id', allowNull: false } });
  }
}

@Injectable()
export class SequelizeAuthors {
  constructor(private readonly db: Database) {}

  /** Where it runs is seen by the statement: a write on the primary, … */
  add(name: string): Promise<unknown> {
    return this.db.authors.create({ name });
  }

  /** … and a read on a replica that has what this session wrote. */
  async names(): Promise<string[]> {
    const found = await this.db.authors.findAll({ order: ['id'] });
    return found.map(({ name }) => name);
  }

  @UseReplica()
  async withNotes() {
    const { authors, notes } = this.db;
    const found = await authors.findAll({ include: notes, order: ['id', [notes, 'id', 'ASC']] });
    return found.map(({ name, notes = [] }) => ({ name, notes: notes.map(({ text }) => ({ text })) }));
  }

  /** A transaction of Sequelize: on the primary. */
  addWithNotes(name: string, texts: readonly string[]): Promise<void> {
    return this.db.transaction(async (transaction) => {
      const author = await this.db.authors.create({ name }, { transaction });
      await this.db.notes.bulkCreate(
        texts.map((text) => ({ text, author_id: author.id })),
        { transaction },
      );
    });
  }

  /** Those of Sequelize within one of the cluster are its savepoints. */
  @UseMaster({ transaction: true })
  async addAll(all: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const [name, texts] of Object.entries(all)) await this.addWithNotes(name, texts);
  }
}

@Module({
  providers: [
    { provide: Database, inject: [PgCluster], useFactory: (cluster: PgCluster) => new Database(cluster) },
    SequelizeAuthors,
  ],
  exports: [Database, SequelizeAuthors],
})
export class SequelizeModule implements OnApplicationShutdown {
  constructor(private readonly db: Database) {}

  onApplicationShutdown(): Promise<void> {
    return this.db.close();
  }
}
