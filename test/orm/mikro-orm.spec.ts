import { Migration, Migrator } from '@mikro-orm/migrations';
import { EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { describe } from 'vitest';
import { MikroOrmAuthors, MikroOrmModule } from '../../sample-app/orm/mikro-orm.module.js';
import { keepsTheContract, TABLES, type InTransaction } from './contract.js';

class Tables extends Migration {
  up(): void {
    for (const table of TABLES) this.addSql(table);
  }
}

const within = (em: EntityManager): InTransaction => ({
  add: (name) => em.execute('INSERT INTO authors (name) VALUES (?)', [name]),
  names: async () =>
    (await em.execute<{ name: string }[]>('SELECT name FROM authors ORDER BY id')).map(({ name }) => name),
  nested: (work) => em.transactional((inner) => work(within(inner))),
});

describe('MikroORM', () => {
  keepsTheContract({
    module: MikroOrmModule,
    authors: MikroOrmAuthors,
    async migrate(app) {
      const orm = app.get(MikroORM);
      const migrations = {
        migrationsList: [Tables],
        snapshot: false,
        disableForeignKeys: false,
        silent: true,
      };
      orm.config.set('migrations', { ...orm.config.get('migrations'), ...migrations });
      await new Migrator(orm.em).up();
    },
    transaction: (app, work) =>
      app
        .get(EntityManager)
        .fork()
        .transactional((em) => work(within(em))),
  });
});
