import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';

import type * as SchemaEngineModule from '@prisma/schema-engine-wasm';

const repository = fileURLToPath(new URL('../..', import.meta.url));
// Their files for `import` name others that are not there.
const require = createRequire(import.meta.url);
const internals = require('@prisma/internals') as typeof import('@prisma/internals');
const { PrismaClientTsGenerator } =
  require('@prisma/client-generator-ts') as typeof import('@prisma/client-generator-ts');

export const SCHEMA = join(repository, 'sample-app/orm/schema.prisma');

export interface Generated<Client> extends AsyncDisposable {
  readonly PrismaClient: new (options: { adapter: PrismaPg }) => Client;
}

/** What `prisma generate` does, which needs no download: into a folder that goes when it is disposed of. */
export async function generateClient<Client>(): Promise<Generated<Client>> {
  const folder = await mkdtemp(join(tmpdir(), 'prisma-'));
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'));
  const datamodel = await readFile(SCHEMA, 'utf8');
  const schema: [string, string][] = [[SCHEMA, datamodel]];
  const { generators, datasources } = await internals.getConfig({ datamodel: schema });
  const [generator] = generators;
  if (!generator) throw new Error(`${SCHEMA} names no generator`);
  await new PrismaClientTsGenerator().generate({
    generator: { ...generator, output: { value: join(folder, 'client'), fromEnvVar: null } },
    otherGenerators: [],
    schemaPath: SCHEMA,
    datasources,
    datamodel,
    dmmf: await internals.getDMMF({ datamodel: schema }),
    version: internals.version,
  });
  const { PrismaClient } = await import(join(folder, 'client/client.ts'));
  return { PrismaClient, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

/** What `prisma migrate` runs, built as WebAssembly: it speaks to the database by an adapter alone. */
export async function startSchemaEngine(adapter: SqlMigrationAwareDriverAdapterFactory) {
  const { SchemaEngine } = await (engine ??= loadSchemaEngine());
  const datamodels: [string, string][] = [[SCHEMA, await readFile(SCHEMA, 'utf8')]];
  return SchemaEngine.new({ datamodels }, () => {}, bindMigrationAwareSqlAdapterFactory(adapter));
}

let engine: Promise<typeof SchemaEngineModule> | undefined;

/** Its own entry imports the code as a module, which Node 20 can't. */
async function loadSchemaEngine() {
  const name = '@prisma/schema-engine-wasm/schema_engine_bg';
  const runtime = await import(name);
  const code = await readFile(fileURLToPath(import.meta.resolve(name)).replace(/js$/, 'wasm'));
  const { instance } = await WebAssembly.instantiate(code, { './schema_engine_bg.js': runtime });
  runtime.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return runtime as typeof SchemaEngineModule;
}

/** Of the types for browsers, which Node has as well. */
declare const WebAssembly: {
  instantiate(
    code: Uint8Array,
    imports: object,
  ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
};
