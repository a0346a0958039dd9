import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';

const PROGRAM = fileURLToPath(new URL('forgetful.mjs', import.meta.url));

let database: FreshDatabase;

beforeAll(async () => {
  database = await freshDatabase();
});

async function ended(listens: boolean) {
  const args = ['--no-warnings', PROGRAM, JSON.stringify(database.config), String(listens)];
  return promisify(execFile)(process.execPath, args);
}

it.concurrent('the leases that are still held are listed on standard error', async () => {
  const { stdout, stderr } = await ended(false);
  expect(stdout).toBe('');
  expect(stderr).toMatch(
    /^default: a lease on \S+ \(replica\) is still held at the end, .*SELECT 7 AS seven\n/,
  );
  expect(stderr).toMatch(/at forget .*forgetful\.mjs:/);
});

it.concurrent('whoever listens is told instead', async () => {
  const { stdout, stderr } = await ended(true);
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toMatchObject({
    state: 'open',
    kind: 'lease',
    lastStatement: 'SELECT 7 AS seven',
  });
});
