import { existsSync } from 'node:fs';
import { type ProcessRow, processTable } from '../../lib/testing/process-table.js';
import { until } from '../support/until.js';

/** The living processes of every server whose data lie below a folder. */
export function serversBelow(folder: string): ProcessRow[] {
  const living = processTable().filter((row) => row.state !== 'Z');
  const members = living.filter((row) => row.command.includes(` -D ${folder}`));
  for (const member of members) members.push(...living.filter((row) => row.ppid === member.pid));
  return members;
}

export async function untilNothingIsLeft(folder: string): Promise<void> {
  await until(() => serversBelow(folder).length === 0 && !existsSync(folder), {
    deadlineMs: 10_000,
    what: `${folder} and its servers to be gone`,
  });
}
