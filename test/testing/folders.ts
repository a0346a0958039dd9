import { chmod, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultDataParent } from '../../lib/testing/data-parent.js';

/** A folder for the test to remove; with the usual mode every account can enter it. */
export async function temporaryFolder(mode = 0o755): Promise<string> {
  const folder = await mkdtemp(join(await defaultDataParent(), 'pg-mcp-test-'));
  await chmod(folder, mode);
  return folder;
}
