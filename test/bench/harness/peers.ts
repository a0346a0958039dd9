import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PATIENCE_MS = 180_000;

/** Where the peers' package and lockfile are; this file runs from `dist-bench/`. */
export const PEERS = fileURLToPath(new URL('../../../test/bench/peers/', import.meta.url));

const require = createRequire(`${PEERS}package.json`);

/** As the process of a way loads it, which says what it uses of it: the types may not be installed. */
export function loadPeer(name: string): unknown {
  return require(name);
}

/**
 * Installs what the locked peers lack. No scripts of theirs run: what they would fetch is not needed here.
 *
 * @throws Error with npm's code.
 */
export async function installPeers(progress: (text: string) => void): Promise<void> {
  if (await areInstalled()) return;
  progress('installing the peers');
  try {
    await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: PEERS,
      timeout: PATIENCE_MS,
    });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    // The rest names hosts and folders, and the tables may be published.
    const reason = /^npm error code (\S+)/m.exec(stderr)?.[1] ?? (error as NodeJS.ErrnoException).code;
    throw new Error(`the peers could not be installed: npm ci failed with ${reason}`, { cause: error });
  }
}

/** npm writes a lockfile of its own when it has put everything in its place. */
async function areInstalled(): Promise<boolean> {
  const [wanted, installed] = await Promise.all(
    ['package-lock.json', 'node_modules/.package-lock.json'].map((path) =>
      stat(`${PEERS}${path}`).then(
        ({ mtimeMs }) => mtimeMs,
        () => undefined,
      ),
    ),
  );
  return wanted !== undefined && installed !== undefined && installed >= wanted;
}
