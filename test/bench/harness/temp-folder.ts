import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Goes with its user, and also when a signal ends this process. */
export class TempFolder implements AsyncDisposable {
  readonly path: string;
  readonly #remove = () => rmSync(this.path, { recursive: true, force: true });

  private constructor(path: string) {
    this.path = path;
    process.once('exit', this.#remove);
  }

  static async create(name: string): Promise<TempFolder> {
    return new TempFolder(await mkdtemp(join(tmpdir(), `bench-${name}-`)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener('exit', this.#remove);
    await rm(this.path, { recursive: true, force: true });
  }
}
