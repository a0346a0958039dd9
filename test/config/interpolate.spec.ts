import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadSettings } from '../../lib/config/index.js';
import { interpolate, interpolateText } from '../../lib/config/interpolate.js';
import { faultsOf } from './faults-of.js';
import { revealed } from './revealed.js';

const folder = mkdtempSync(join(tmpdir(), 'pg-mcp-interpolate-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string) => writeFileSync(join(folder, name), content);
file('plain', 's3cret');
file('unix', 's3cret\n');
file('windows', 's3cret\r\n');
file('two', 's3cret\n\n');
file('nested', '${A}');

const decrypt = (sealed: string) => ({ value: `<${sealed}>` });
const environment = { A: 'a', B: 'b', EMPTY: '', NESTED: '${A}', ODD: 'p@ss/w:rd%', lower_1: 'l' };

describe('put in', () => {
  test.each([
    ['plain', 'plain'],
    ['${A}', 'a'],
    ['<${A}|${B}>', '<a|b>'],
    ['${lower_1}', 'l'],
    ['${EMPTY}', ''],
    ['${A:-x}', 'a'],
    ['${NONE:-x}', 'x'],
    ['${EMPTY:-x}', 'x'],
    ['${NONE:-}', ''],
    ['${NONE:-a:-b c}', 'a:-b c'],
    ['$${A}', '${A}'],
    ['$${A} ${A}', '${A} a'],
    ['$A $ {A} {A} $$', '$A $ {A} {A} $$'],
    ['${NESTED}', '${A}'],
    ['${file:plain}', 's3cret'],
    ['${file:unix}', 's3cret'],
    ['${file:windows}', 's3cret'],
    ['${file:two}', 's3cret\n'],
    ['${file:nested}', '${A}'],
    [`\${file:${join(folder, 'plain')}}`, 's3cret'],
    ['${enc:v1:x_-}', '<v1:x_->'],
    ['${ODD}@x', 'p@ss/w:rd%@x'],
    ['postgres://${A}:${ODD}@${A}/${B}', 'postgres://a:p%40ss%2Fw%3Ard%25@a/b'],
    ['postgresql://app:${file:plain}@db1', 'postgresql://app:s3cret@db1'],
  ])('%s becomes %s', (text, expected) => {
    expect(interpolateText(text, { folder, environment, decrypt })).toEqual({ text: expected, problems: [] });
  });
});

describe('refused', () => {
  const form = 'expected ${VAR}, ${VAR:-default}, ${file:/path} or ${enc:…}; write $${ for a plain ${';
  test.each<[string, string[]]>([
    ['${NONE}', ['the environment variable NONE is not set']],
    [
      '${NONE}${OTHER}',
      ['the environment variable NONE is not set', 'the environment variable OTHER is not set'],
    ],
    ['${file:missing}', [`can't read ${join(folder, 'missing')}: there is no such file`]],
    ['${file:.}', [`can't read ${folder}: it is a folder`]],
    ['${A', ['a ${ without its }; write $${ for a plain ${']],
    ['${}', [form]],
    ['${1A}', [form]],
    ['${A-x}', [form]],
    ['${vault:a}', [form]],
    ['${NONE:-${A}}', [form]],
  ])('%s', (text, problems) => {
    expect(interpolateText(text, { folder, environment, decrypt }).problems).toEqual(problems);
  });
});

test('lists and objects are walked, everything else is left alone', () => {
  const bytes = Buffer.from('${A}');
  const call = () => '${A}';
  const date = new Date(0);
  const { value, templates } = interpolate(
    { list: ['${A}', 1], inner: { b: '${B}' }, bytes, call, date },
    { folder, environment, decrypt },
  );
  expect(value).toEqual({ list: ['a', 1], inner: { b: 'b' }, bytes, call, date });
  expect([...templates]).toEqual([
    ['list[0]', '${A}'],
    ['inner.b', '${B}'],
  ]);
});

test("relative paths start in the file's folder, those of the options in the working directory", () => {
  const path = join(folder, 'db_cluster.json');
  writeFileSync(
    path,
    '{ "masters": [{ "host": "a", "user": "b", "database": "c", "password": "${file:unix}" }] }',
  );
  expect(revealed(loadSettings(path).nodes[0]?.accounts.primary)).toEqual({ user: 'b', password: 's3cret' });
  expect(faultsOf(path, { monitor: { user: '${file:unix}' } })).toEqual([
    `monitor.user: can't read ${join(process.cwd(), 'unix')}: there is no such file (in the options)`,
  ]);
});
