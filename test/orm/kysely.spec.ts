import { sql, type Kysely, type Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import { describe } from 'vitest';
import { Database, KyselyAuthors, KyselyModule, type Tables } from '../../sample-app/orm/kysely.module.js';
import { keepsTheContract, TABLES, type InTransaction } from './contract.js';

const migrations = {
  '0000_tables': {
    async up(db: Kysely<unknown>) {
      for (const table of TABLES) await sql.raw(table).execute(db);
    },
  },
};

const names = async (db: Kysely<Tables>) =>
  (await db.selectFrom('authors').select('name').orderBy('id').execute()).map(({ name }) => name);

const within = (tx: Transaction<Tables>): InTransaction => ({
  add: (name) => tx.insertInto('authors').values({ name }).execute(),
  names: () => names(tx),
  async nested(work) {
    await sql`SAVEPOINT inner_one`.execute(tx);
    try {
      await work(within(tx));
      await sql`RELEASE SAVEPOINT inner_one`.execute(tx);
    } catch (error) {
      await sql`ROLLBACK TO SAVEPOINT inner_one`.execute(tx);
      throw error;
    }
  },
});

describe('Kysely', () => {
  keepsTheContract({
    module: KyselyModule,
    authors: KyselyAuthors,
    async migrate(app) {
      const provider = { getMigrations: async () => migrations };
      const { error } = await new Migrator({ db: app.get(Database), provider }).migrateToLatest();
      if (error) throw error;
    },
    transaction: (app, work) =>
      app
        .get(Database)
        .transaction()
        .execute((tx) => work(within(tx))),
  });
});
