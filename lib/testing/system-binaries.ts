import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

// Where the packages of Debian, Red Hat, Alpine and Homebrew put one folder for each major version.
const VERSIONED = [
  { parent: '/usr/lib/postgresql', name: /^\d+$/, bin: 'bin' },
  { parent: '/usr', name: /^pgsql-\d+$/, bin: 'bin' },
  { parent: '/usr/libexec', name: /^postgresql\d+$/, bin: '' },
  { parent: '/opt/homebrew/opt', name: /^postgresql@\d+$/, bin: 'bin' },
  { parent: '/usr/local/opt', name: /^postgresql@\d+$/, bin: 'bin' },
];

/** Folders of this machine that hold `postgres` and `initdb`, the newest version first. */
export function systemBinFolders(): readonly string[] {
  const versioned = VERSIONED.flatMap(({ parent, name, bin }) =>
    list(parent)
      .filter((entry) => name.test(entry))
      .map((entry) => ({ version: Number(/\d+$/.exec(entry)), folder: join(parent, entry, bin) })),
  ).sort((a, b) => b.version - a.version);
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const folders = [...versioned.map(({ folder }) => folder), ...configuredFolder(), ...path];
  return [...new Set(folders)].filter((folder) =>
    ['postgres', 'initdb'].every((program) => existsSync(join(folder, program))),
  );
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function configuredFolder(): readonly string[] {
  try {
    const output = execFileSync('pg_config', ['--bindir'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return [output.trim()];
  } catch {
    return [];
  }
}
