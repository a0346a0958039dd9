import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newestPrimary, nodeRole } from '../../lib/testing/node-role.js';
import { temporaryFolder } from './folders.js';

const standby = { standby: true, timeline: 9, since: 9 };
const primary = (timeline: number, since: number) => ({ standby: false, timeline, since });

test.each([
  ['the only one', [standby, primary(1, 0), standby], 1],
  ['the newer timeline', [primary(1, 0), primary(2, 50)], 1],
  ['the newer timeline, though the older began later', [primary(2, 50), primary(3, 40)], 1],
  ['of one timeline, the one that began it last', [primary(2, 50), primary(2, 60), primary(2, 55)], 1],
  ['none', [standby, standby], undefined],
])('%s is primary', (_which, roles, expected) => {
  const nodes = roles.map((role, index) => ({ index, role }));
  expect(newestPrimary(nodes)?.index).toBe(expected);
});

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => rm(folder, { recursive: true }));

test('a folder that is still empty will be a standby’s', () => {
  expect(nodeRole(folder).standby).toBe(true);
});

test('a data folder tells its role and its newest timeline', async () => {
  const wal = join(folder, 'pg_wal');
  await mkdir(wal);
  expect(nodeRole(folder)).toEqual({ standby: false, timeline: 1, since: 0 });
  for (const [index, name] of ['00000003.history', '0000000A.history', '00000002.history'].entries()) {
    await writeFile(join(wal, name), '');
    await utimes(join(wal, name), index + 1, index + 1);
  }
  await writeFile(join(wal, '0000000B00000000000000FF'), '');
  expect(nodeRole(folder)).toEqual({ standby: false, timeline: 10, since: 2_000 });
  await writeFile(join(folder, 'standby.signal'), '');
  expect(nodeRole(folder).standby).toBe(true);
});
