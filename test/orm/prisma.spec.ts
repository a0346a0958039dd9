import { PrismaPg } from '@prisma/adapter-pg';
import { PgCluster } from 'nestjs-pg-mcp';
import { afterAll, describe } from 'vitest';
import { PRISMA, PrismaAuthors, PrismaModule, type Client } from '../../sample-app/orm/prisma.module.js';
import { keepsTheContract, TABLES, type InTransaction } from './contract.js';
import { generateClient, startSchemaEngine, SCHEMA } from './prisma-client.js';

interface FullClient extends Client {
  $transaction(work: (tx: FullClient) => Promise<void>): Promise<void>;
}

const generated = await generateClient<FullClient>();

afterAll(() => generated[Symbol.asyncDispose]());

const within = (tx: FullClient): InTransaction => ({
  add: async (name) => tx.author.create({ data: { name } }),
  names: async () => (await tx.author.findMany({ orderBy: { id: 'asc' } })).map(({ name }) => name),
  nested: (work) => tx.$transaction((inner) => work(within(inner))),
});

describe('Prisma', () => {
  keepsTheContract({
    module: PrismaModule.forClient(generated.PrismaClient),
    authors: PrismaAuthors,
    async migrate(app) {
      const engine = await startSchemaEngine(new PrismaPg(app.get(PgCluster).pool));
      await engine.applyMigrations(migrations);
    },
    transaction: (app, work) => app.get<FullClient>(PRISMA).$transaction((tx) => work(within(tx))),
  });
});

const content = { tag: 'ok', value: TABLES.join(';\n') } as const;
const migrations = {
  migrationsList: {
    baseDir: SCHEMA,
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"' },
    shadowDbInitScript: '',
    migrationDirectories: [{ path: '0_tables', migrationFile: { path: 'migration.sql', content } }],
  },
  filters: { externalTables: [], externalEnums: [] },
};
