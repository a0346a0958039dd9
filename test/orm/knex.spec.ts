import type { Knex } from 'knex';
import { describe } from 'vitest';
import { KNEX, KnexAuthors, KnexModule } from '../../sample-app/orm/knex.module.js';
import { keepsTheContract, TABLES, type InTransaction } from './contract.js';

const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => ['0000_tables'],
  getMigrationName: (name) => name,
  getMigration: async () => ({
    async up(knex) {
      for (const table of TABLES) await knex.raw(table);
    },
    async down() {},
  }),
};

const within = (trx: Knex.Transaction): InTransaction => ({
  add: async (name) => trx('authors').insert({ name }),
  names: async () => trx('authors').orderBy('id').pluck('name'),
  nested: (work) => trx.transaction((inner) => work(within(inner))),
});

describe('Knex', () => {
  keepsTheContract({
    module: KnexModule,
    authors: KnexAuthors,
    migrate: (app) => app.get<Knex>(KNEX).migrate.latest({ migrationSource }),
    transaction: (app, work) => app.get<Knex>(KNEX).transaction((trx) => work(within(trx))),
  });
});
