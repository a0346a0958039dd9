import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe } from 'vitest';
import {
  DRIZZLE,
  DrizzleAuthors,
  DrizzleModule,
  type Database,
} from '../../sample-app/orm/drizzle.module.js';
import { keepsTheContract, TABLES, type InTransaction } from './contract.js';

let migrationsFolder: string;

beforeAll(async () => {
  migrationsFolder = await mkdtemp(join(tmpdir(), 'drizzle-'));
  const entries = [{ idx: 0, version: '7', when: 1, tag: '0000_tables', breakpoints: true }];
  await mkdir(join(migrationsFolder, 'meta'));
  await writeFile(join(migrationsFolder, 'meta', '_journal.json'), JSON.stringify({ entries }));
  await writeFile(join(migrationsFolder, '0000_tables.sql'), TABLES.join(';\n--> statement-breakpoint\n'));
});

afterAll(() => rm(migrationsFolder, { recursive: true }));

type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

const within = (tx: Transaction): InTransaction => ({
  add: (name) => tx.execute(sql`INSERT INTO authors (name) VALUES (${name})`),
  names: async () => (await tx.query.authors.findMany()).map(({ name }) => name),
  nested: (work) => tx.transaction((inner) => work(within(inner))),
});

describe('Drizzle', () => {
  keepsTheContract({
    module: DrizzleModule,
    authors: DrizzleAuthors,
    migrate: (app) => migrate(app.get<Database>(DRIZZLE), { migrationsFolder }),
    transaction: (app, work) => app.get<Database>(DRIZZLE).transaction((tx) => work(within(tx))),
  });
});
