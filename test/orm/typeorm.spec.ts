import { DataSource, type EntityManager } from 'typeorm';
import { describe } from 'vitest';
import { Author, TypeOrmAuthors, TypeOrmModule } from '../../sample-app/orm/typeorm.module.js';
import { keepsTheContract, type InTransaction } from './contract.js';

const within = (manager: EntityManager): InTransaction => ({
  add: (name) => manager.getRepository(Author).insert({ name }),
  names: async () =>
    (await manager.getRepository(Author).find({ order: { id: 'ASC' } })).map(({ name }) => name),
  nested: (work) => manager.transaction((inner) => work(within(inner))),
});

describe('TypeORM', () => {
  keepsTheContract({
    module: TypeOrmModule,
    authors: TypeOrmAuthors,
    migrate: (app) => app.get(DataSource).runMigrations(),
    transaction: (app, work) => app.get(DataSource).transaction((manager) => work(within(manager))),
  });
});
