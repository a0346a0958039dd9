import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { failure } from './failure.js';

/** An account of the operating system. */
export interface SystemAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const CANDIDATES = ['postgres', 'nobody'];

/**
 * Whom to run the servers as: nobody in particular for an ordinary user, another account for root, as
 * whom PostgreSQL refuses to run (manual, section 18.1 "The PostgreSQL User Account").
 */
export function systemAccount(): SystemAccount | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  for (const name of CANDIDATES) {
    const account = fromPasswd(name) ?? fromId(name);
    if (account) return account;
  }
  throw failure(
    `PostgreSQL does not run as root, and no account was found to run it as (looked for ${CANDIDATES.join(', ')}): ` +
      `create one, or start as an ordinary user`,
  );
}

function fromPasswd(name: string): SystemAccount | undefined {
  try {
    const match = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(readFileSync('/etc/passwd', 'utf8'));
    return match ? { name, uid: Number(match[1]), gid: Number(match[2]) } : undefined;
  } catch {
    return undefined;
  }
}

// Accounts of a directory service (macOS, LDAP) don't stand in /etc/passwd.
function fromId(name: string): SystemAccount | undefined {
  const id = (flag: string) =>
    Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  try {
    return { name, uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}
