import { chown, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Guardian } from './guardian.js';
import type { SystemAccount } from './system-account.js';

/** A temporary folder that goes when it is removed, and also when this process dies. */
export class GuardedFolder {
  readonly #guardian: Guardian;

  private constructor(readonly path: string) {
    this.#guardian = new Guardian(path);
  }

  static async create(owner: SystemAccount | undefined, parent: string): Promise<GuardedFolder> {
    await mkdir(parent, { recursive: true });
    // The guardian knows servers by their command line, which shows the path as it really is.
    const path = await mkdtemp(join(await realpath(parent), 'pg-mcp-'));
    const folder = new GuardedFolder(path);
    if (owner) await chown(path, owner.uid, owner.gid);
    return folder;
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    await this.#guardian.dismiss();
  }
}
