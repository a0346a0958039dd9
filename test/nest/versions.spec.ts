import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const version = process.env['NEST'] ?? '';
/** Where this project of config/vitest.config.ts has its packages of Nest from. */
const home = version === '11' ? join(root, 'test/nest-11') : root;

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}
const manifest = (...path: string[]) =>
  JSON.parse(readFileSync(join(...path, 'package.json'), 'utf8')) as Manifest;

const { dependencies, devDependencies } = manifest(home);
const packages = Object.keys({ ...dependencies, ...devDependencies }).filter(
  (name) => /^@(nestjs|willsoto)\//.test(name) && name !== '@nestjs/cli',
);

it.each(packages)('%s is there, beside the Nest of its version', (name) => {
  const folder = join(home, 'node_modules', name);
  const lookedIn = createRequire(join(folder, 'package.json')).resolve.paths('@nestjs/common') ?? [];
  const found = lookedIn.map((path) => join(path, '@nestjs/common')).find((path) => existsSync(path));
  expect(manifest(found ?? '').version.split('.')[0]).toBe(version);
});
