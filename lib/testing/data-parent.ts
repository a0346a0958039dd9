import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';

const MEMORY = '/dev/shm';
const TMPFS_MAGIC = 0x01021994;
const ROOMY_BYTES = 2 * 1024 ** 3;

/**
 * Where the data of a cluster go that nobody gave a place: a file system in memory where there is one with
 * room, since a cluster is some thousand small files, which a disk may take seconds to create. A container's
 * `/dev/shm` (64 MiB) is none. Whoever sets `TMPDIR` has chosen already.
 */
export async function defaultDataParent(): Promise<string> {
  if (process.env['TMPDIR'] !== undefined) return tmpdir();
  try {
    const { type, bavail, bsize } = await statfs(MEMORY);
    await access(MEMORY, constants.W_OK);
    return type === TMPFS_MAGIC && bavail * bsize >= ROOMY_BYTES ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}
