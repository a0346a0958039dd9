import { DataTypes, type Transaction } from 'sequelize';
import { describe } from 'vitest';
import { Database, SequelizeAuthors, SequelizeModule } from '../../sample-app/orm/sequelize.module.js';
import { keepsTheContract, TABLES, type InTransaction } from './contract.js';

/** As what runs migrations of Sequelize does: by its query interface, with the names of those that ran in a table. */
async function migrate(db: Database): Promise<void> {
  const queries = db.getQueryInterface();
  await queries.createTable('SequelizeMeta', { name: { type: DataTypes.STRING, primaryKey: true } });
  const done = await db.query('SELECT name FROM "SequelizeMeta"');
  if (done[0].length > 0) return;
  await db.transaction(async (transaction) => {
    for (const table of TABLES) await db.query(table, { transaction });
    await queries.bulkInsert('SequelizeMeta', [{ name: '0000_tables' }], { transaction });
  });
}

const within = (db: Database, transaction: Transaction): InTransaction => ({
  add: (name) => db.authors.create({ name }, { transaction }),
  names: async () => (await db.authors.findAll({ order: ['id'], transaction })).map(({ name }) => name),
  nested: (work) => db.transaction({ transaction }, (inner) => work(within(db, inner))),
});

describe('Sequelize', () => {
  keepsTheContract({
    module: SequelizeModule,
    authors: SequelizeAuthors,
    migrate: (app) => migrate(app.get(Database)),
    transaction: (app, work) => {
      const db = app.get(Database);
      return db.transaction((transaction) => work(within(db, transaction)));
    },
  });
});
