import { readFileSync } from 'node:fs';
import { parse } from 'jsonc-parser';
import { format } from 'prettier';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { clusterJsonSchema } from '../../lib/config/index.js';

// `npx vitest run -u test/config/json-schema.spec.ts` writes the file anew.
test('the schema that is shipped is the one of the definition', async () => {
  const text = await format(JSON.stringify(clusterJsonSchema()), { parser: 'json', printWidth: 110 });
  await expect(text).toMatchFileSnapshot('../../config/db_cluster.schema.json');
});

describe('an editor', () => {
  const schema = z.fromJSONSchema(clusterJsonSchema());
  const sample: unknown = parse(readFileSync('config/db_cluster.json', 'utf8'));
  const master = { host: 'db1', user: 'app', database: 'shop' };

  test.each<[string, unknown]>([
    ['the sample', sample],
    ['camelCase', { masters: [master], connectionPool: { minConnections: 3, idleTimeout: '3min' } }],
    ['a URL', { masters: ['postgres://app@db1/shop'], replicas: ['${REPLICA_URL}'] }],
    [
      'variables',
      { masters: [{ ...master, port: '${PORT:-5432}', ssl: '${TLS}' }], routing: { balance: '${HOW}' } },
    ],
    ['the address of the schema', { $schema: './db_cluster.schema.json', masters: [master] }],
    ['TLS', { masters: [{ ...master, ssl: { ca: '${file:ca.pem}', rejectUnauthorized: true } }] }],
  ])('takes %s', (_, value) => {
    expect(schema.safeParse(value).error).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['no masters', {}],
    ['empty masters', { masters: [] }],
    ['an unknown key', { masters: [master], conection_pool: {} }],
    ['an unknown key of a node', { masters: [{ ...master, prot: 1 }] }],
    ['a wrong value under camelCase', { masters: [master], connectionPool: { minConnections: 'x' } }],
    ['a port too high', { masters: [{ ...master, port: 65_536 }] }],
    ['a URL of something else', { masters: ['mysql://db1'] }],
    ['a bad duration', { masters: [master], startup: { delay: 'soon' } }],
    ['a bad choice', { masters: [master], routing: { balance: 'fair' } }],
  ])('marks %s', (_, value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

test('every setting says what it means', () => {
  const silent = (schema: unknown, path: string): string[] => {
    if (typeof schema !== 'object' || schema === null) return [];
    const entries = Object.entries(schema).flatMap(([key, value]): [string, unknown][] =>
      key === 'properties'
        ? Object.entries(value as object).map(([name, inner]) => [`${path}/${name}`, inner])
        : [],
    );
    const own = entries
      .filter(([, inner]) => !(inner as { description?: string }).description)
      .map(([name]) => name);
    const below = entries.flatMap(([name, inner]) => silent(inner, name));
    const others = Object.entries(schema).flatMap(([key, value]) =>
      key === 'properties' ? [] : silent(value, path),
    );
    return [...own, ...below, ...others];
  };
  expect(silent(clusterJsonSchema(), '')).toEqual([]);
});
