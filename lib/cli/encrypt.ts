import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { encryptSecret, findSecretKey } from '../config/index.js';
import { EXIT, UnusableError, type Outcome } from './outcome.js';

/** The secret comes by the standard input: the arguments of a process are for everybody to see. */
export async function encrypt(): Promise<Outcome> {
  const key = findSecretKey();
  if ('problem' in key) throw new UnusableError(key.problem);
  const plain = process.stdin.isTTY ? await askHidden() : withoutNewline(await textOf(process.stdin));
  if (plain === '') throw new UnusableError('nothing to encrypt: give the secret on the standard input');
  return { code: EXIT.ok, text: `${encryptSecret(plain, key.value)}\n` };
}

function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** Shows nothing of what is typed. */
async function askHidden(): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const line = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const givingUp = new AbortController();
  line.once('SIGINT', () => givingUp.abort());
  process.stderr.write('Secret to encrypt: ');
  try {
    return await line.question('', { signal: givingUp.signal });
  } catch {
    throw new UnusableError('nothing was encrypted');
  } finally {
    line.close();
    process.stderr.write('\n');
  }
}
