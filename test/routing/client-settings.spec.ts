import { beforeAll, expect, it } from 'vitest';
import { settingsIn } from '../../lib/routing/statement/client-settings.js';
import { loadParser } from '../../lib/routing/statement/syntax.js';

beforeAll(() => loadParser());

it.each([
  [
    `SET standard_conforming_strings=on;SET client_min_messages TO warning;`,
    'standard_conforming_strings,client_min_messages',
  ],
  [`SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE`, 'timezone'],
  [`set search_path to "app"`, 'search_path'],
  [`SET app.tenant = '7'`, 'app.tenant'],
  ['RESET search_path', 'search_path'],
  ['RESET ALL', '*'],
  ['DISCARD ALL', '*'],
  ['DISCARD TEMP', undefined],
  ['SET LOCAL search_path = app', undefined],
  ['SET ROLE reader', undefined],
  ['SET SESSION AUTHORIZATION reader', undefined],
  ['SET TRANSACTION READ ONLY', undefined],
  ['SET transaction_read_only = on', undefined],
  ['SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', undefined],
  ['SET search_path = app; SELECT 1', undefined],
])('%s sets %s', (text, names) => {
  expect(settingsIn(text)).toBe(names);
});
