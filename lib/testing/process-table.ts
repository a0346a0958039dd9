export interface ProcessRow {
  readonly pid: number;
  readonly ppid: number;
  /** The first letter of what `ps` shows: `T` is stopped, `Z` is dead and waits for its parent. */
  readonly state: string;
  /** When it started, in whatever notation the system has: with the pid it names one process for ever. */
  readonly started: string;
  readonly command: string;
}

/**
 * Every process of the machine.
 *
 * The guardian runs the text of this function in a process of its own (guardian.ts): it may refer to
 * nothing outside itself.
 */
export function processTable(): ProcessRow[] {
  const { readdirSync, readFileSync } = process.getBuiltinModule('node:fs');
  const { execFileSync } = process.getBuiltinModule('node:child_process');
  const rows: ProcessRow[] = [];
  if (process.platform !== 'linux') {
    const columns = ['pid=', 'ppid=', 'stat=', 'lstart=', 'args='].flatMap((column) => ['-o', column]);
    const lines = execFileSync('ps', ['-A', '-ww', ...columns], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    });
    for (const line of lines.split('\n')) {
      const match = /^\s*(\d+)\s+(\d+)\s+(\S)\S*\s+((?:\S+\s+){4}\S+)\s+(.*)$/.exec(line);
      const [, pid, ppid, state = '', started = '', command = ''] = match ?? [];
      if (match) rows.push({ pid: Number(pid), ppid: Number(ppid), state, started, command });
    }
    return rows;
  }
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      // The second field is the program's name in brackets and may hold blanks and brackets itself.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      rows.push({
        pid: Number(pid),
        ppid: Number(fields[1]),
        state: fields[0] ?? '',
        started: fields[19] ?? '',
        command,
      });
    } catch {
      // It ended while the table was read.
    }
  }
  return rows;
}

/** The process and all that descend from it, the eldest first, without the dead. */
export function family(pid: number): ProcessRow[] {
  const table = processTable().filter((row) => row.state !== 'Z');
  const members = table.filter((row) => row.pid === pid);
  for (const member of members) members.push(...table.filter((row) => row.ppid === member.pid));
  return members;
}

/** Those of `rows` that still live, as they are now. */
export function survivors(rows: readonly ProcessRow[]): ProcessRow[] {
  return processTable().filter(
    (now) => now.state !== 'Z' && rows.some((row) => row.pid === now.pid && row.started === now.started),
  );
}

/** Sends a signal to each; one that has ended meanwhile is no error. */
export function signalAll(rows: readonly ProcessRow[], signal: NodeJS.Signals): void {
  for (const row of rows) {
    try {
      process.kill(row.pid, signal);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}
