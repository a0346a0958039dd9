import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encryptSecret } from 'nestjs-pg-mcp';
import { afterAll, describe, expect, test } from 'vitest';
import { loadSettings } from '../../lib/config/index.js';
import { faultsOf } from './faults-of.js';
import { revealed } from './revealed.js';

const folder = mkdtempSync(join(tmpdir(), 'pg-mcp-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));

const KEY = 'correct horse battery staple';
const keyFile = join(folder, 'key');
writeFileSync(keyFile, `${KEY}\n`);
const environment = { PG_MCP_SECRET_KEY: KEY };
const SECRET = 'p@ss/w:rd% ünd 🔑';
const sealed = encryptSecret(SECRET, KEY);

const configured = (password: string) => ({ masters: [{ host: 'a', user: 'b', database: 'c', password }] });
const passwordOf = (account: unknown) => (revealed(account) as { password?: unknown }).password;
const passwordFrom = (password: string, environment: Record<string, string>) =>
  passwordOf(loadSettings(configured(password), {}, environment).nodes[0]?.accounts.primary);

describe('an encrypted value', () => {
  test('is read with the key of the environment, or of a file', () => {
    expect(passwordFrom(sealed, environment)).toBe(SECRET);
    expect(passwordFrom(sealed, { PG_MCP_SECRET_KEY_FILE: keyFile })).toBe(SECRET);
    expect(passwordFrom(sealed, { PG_MCP_SECRET_KEY: '', PG_MCP_SECRET_KEY_FILE: keyFile })).toBe(SECRET);
  });

  test('stands anywhere: beside other text, in a URL, in the options, more than once', () => {
    const url = `postgres://app:${sealed}@db1/shop`;
    const patroni = { password: `<${encryptSecret('another', KEY)}>`, user: 'admin' };
    const settings = loadSettings(
      { masters: [url], replicas: [{ host: 'db2', password: sealed }] },
      { failover: { patroni } },
      environment,
    );
    expect(settings.nodes.map(({ accounts }) => passwordOf(accounts.replica))).toEqual([SECRET, SECRET]);
    expect(settings.nodes.map(({ accounts }) => passwordOf(accounts.primary))).toEqual([SECRET, SECRET]);
    expect(passwordOf(settings.failover.patroni.account)).toBe('<another>');
  });

  test('may be empty or long, and is another text each time', () => {
    for (const plain of ['', 'x', 'y'.repeat(100_000)])
      expect(passwordFrom(`${encryptSecret(plain, KEY)}!`, environment)).toBe(`${plain}!`);
    expect(encryptSecret(SECRET, KEY)).not.toBe(sealed);
  });
});

describe('refused, with its path and without the secret:', () => {
  const wrong = "can't decrypt it: the key is not the one it was made with, or the value is damaged";
  const body = sealed.slice('${enc:v1:'.length, -1);
  const flipped = (at: number) => {
    const bytes = Buffer.from(body, 'base64url');
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return `\${enc:v1:${bytes.toString('base64url')}}`;
  };

  test.each<[string, string, Record<string, string>, string]>([
    [
      'no key',
      sealed,
      {},
      'an encrypted value needs its key: set PG_MCP_SECRET_KEY or PG_MCP_SECRET_KEY_FILE',
    ],
    [
      'two keys',
      sealed,
      { ...environment, PG_MCP_SECRET_KEY_FILE: keyFile },
      'both PG_MCP_SECRET_KEY and PG_MCP_SECRET_KEY_FILE are set; keep one',
    ],
    [
      'a short key',
      sealed,
      { PG_MCP_SECRET_KEY: 'short' },
      'PG_MCP_SECRET_KEY: expected a key of at least 16 characters',
    ],
    [
      'a file that is missing',
      sealed,
      { PG_MCP_SECRET_KEY_FILE: '/nowhere/key' },
      "PG_MCP_SECRET_KEY_FILE: can't read /nowhere/key: there is no such file",
    ],
    ['another key', sealed, { PG_MCP_SECRET_KEY: `${KEY}!` }, wrong],
    ['a changed salt', flipped(0), environment, wrong],
    ['a changed nonce', flipped(16), environment, wrong],
    ['a changed text', flipped(28), environment, wrong],
    ['a changed tag', flipped(Buffer.from(body, 'base64url').length - 1), environment, wrong],
    ['a value cut off', `\${enc:v1:${body.slice(0, 60)}}`, environment, wrong],
    ['no value', '${enc:v1:}', environment, wrong],
    ['another version', `\${enc:v2:${body}}`, environment, 'expected ${enc:v1:…} as encryptSecret makes it'],
    ['a plain text', '${enc:AbC=}', environment, 'expected ${enc:v1:…} as encryptSecret makes it'],
  ])('%s', (_, password, environment, message) => {
    expect(faultsOf(configured(password), {}, environment)).toEqual([`masters[0].password: ${message}`]);
  });

  test('one that serves where something else was expected', () => {
    const port = encryptSecret('70000', KEY);
    const masters = [{ host: 'a', user: 'b', database: 'c', port }];
    expect(faultsOf({ masters }, {}, environment)).toEqual([
      `masters[0].port: found the value of ${JSON.stringify(port)}, expected a port from 1 to 65535`,
    ]);
  });

  test('a short key, where it encrypts', () => {
    expect(() => encryptSecret(SECRET, 'short')).toThrow('the key needs at least 16 characters');
  });
});
