import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { serversBelow, untilNothingIsLeft } from './processes.js';

const program = fileURLToPath(new URL('cluster-owner.mjs', import.meta.url));
let owner: ChildProcess | undefined;

afterEach(() => {
  owner?.kill('SIGKILL');
});

async function startOwner(mode: 'stay' | 'leave'): Promise<{ owner: ChildProcess; folder: string }> {
  const child = spawn(process.execPath, [program, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  owner = child;
  const [line] = await once(child.stdout, 'data');
  const { folder } = JSON.parse(String(line));
  return { owner: child, folder };
}

test('when its process is killed, no server is left, frozen or not, and no file', async () => {
  const { owner, folder } = await startOwner('stay');
  expect(serversBelow(folder).some((row) => row.state === 'T')).toBe(true);
  owner.kill('SIGKILL');
  await untilNothingIsLeft(folder);
});

test('a cluster that was never stopped lets its process end, and goes with it', async () => {
  const { owner, folder } = await startOwner('leave');
  if (owner.exitCode === null) await once(owner, 'exit');
  expect(owner.exitCode).toBe(0);
  await untilNothingIsLeft(folder);
});
