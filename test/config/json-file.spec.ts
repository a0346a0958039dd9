import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readJsonFile } from '../../lib/config/json-file.js';
import { faultsOf } from './faults-of.js';

const folder = mkdtempSync(join(tmpdir(), 'pg-mcp-json-'));
afterAll(() => rmSync(folder, { recursive: true }));

function written(content: string): string {
  const path = join(folder, 'db_cluster.json');
  writeFileSync(path, content);
  return path;
}

test.each<[string, string, unknown]>([
  ['comments', '{ // one\n "a": 1 /* two */ }', { a: 1 }],
  ['trailing commas', '{ "a": [1, 2,], }', { a: [1, 2] }],
  ['a byte order mark', '\uFEFF{ "a": 1 }', { a: 1 }],
  ['one key in two objects', '[{ "a": 1 }, { "a": 2 }]', [{ a: 1 }, { a: 2 }]],
])('%s', (_, content, value) => {
  expect(readJsonFile(written(content))).toEqual({ value });
});

test.each<[string, string, string[]]>([
  ['a missing comma', '{\n  "a": 1\n  "b": 2\n}', ['db_cluster.json:3:3: comma expected']],
  ['a missing brace', '{ "a": 1', ['db_cluster.json:1:9: close brace expected']],
  [
    'two faults',
    '{\n  "a": ,\n  "b": nope\n}',
    [
      'db_cluster.json:2:8: value expected',
      'db_cluster.json:3:8: invalid symbol',
      'db_cluster.json:4:1: value expected',
    ],
  ],
  ['nothing', '', ['db_cluster.json:1:1: value expected']],
  ['only a comment', '// nothing', ['db_cluster.json:1:11: value expected']],
  ['more than one value', '{} {}', ['db_cluster.json:1:4: end of file expected']],
  [
    'a key given twice',
    '{\n  "a": { "b": 1, "b": 2 }\n}',
    ['db_cluster.json:2:18: the key "b" is given twice'],
  ],
])('%s is a fault at its line and column', (_, content, faults) => {
  expect(faultsOf(written(content))).toEqual(faults);
});

test('a list in the place of an object', () => {
  expect(faultsOf(written('[]'))).toEqual([': expected an object of settings']);
});

test('a key of the prototype is a key like any other', () => {
  const content = '{ "__proto__": {}, "masters": ["postgres://a@b/c"] }';
  expect(faultsOf(written(content))).toEqual([expect.stringContaining('__proto__: unknown key "__proto__"')]);
});

test.each([
  ['missing.json', 'there is no such file'],
  ['.', 'it is a folder'],
])('%s can not be read', (name, reason) => {
  expect(faultsOf(join(folder, name))).toEqual([`: can't read ${join(folder, name)}: ${reason}`]);
});
