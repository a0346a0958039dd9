import { constants } from 'node:fs';
import { copyFile, lchown, mkdir, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from './failure.js';
import type { SystemAccount } from './system-account.js';

export interface CopyTreeOptions {
  /** Who owns the copy. */
  readonly owner: SystemAccount | undefined;
  /** Leaves out a file, a link or a folder by its path below the source. */
  readonly skip?: (path: string) => boolean;
}

/** Copies a folder. What vanishes while it is copied is left out: a live server's files come and go. */
export async function copyTree(source: string, target: string, options: CopyTreeOptions): Promise<void> {
  const { owner, skip = () => false } = options;

  const give = async (path: string) => {
    if (owner) await lchown(path, owner.uid, owner.gid);
  };

  const copyFolder = async (path: string): Promise<void> => {
    const to = join(target, path);
    await mkdir(to, { mode: 0o700, recursive: true });
    const entries = await readdir(join(source, path), { withFileTypes: true });
    await Promise.all([
      give(to),
      ...entries.map(async (entry) => {
        const below = join(path, entry.name);
        if (skip(below)) return;
        try {
          if (entry.isDirectory()) return await copyFolder(below);
          if (entry.isSymbolicLink()) await symlink(await readlink(join(source, below)), join(target, below));
          else if (entry.isFile())
            await copyFile(join(source, below), join(target, below), constants.COPYFILE_FICLONE);
          else return;
          await give(join(target, below));
        } catch (error) {
          if (!isMissing(error)) throw error;
        }
      }),
    ]);
  };

  await copyFolder('');
}
