import { describe, expect, test } from 'vitest';
import { plainAddress, readConninfo, withOverride, type Override } from '../../lib/failover/conninfo.js';

const ORIGINALS = [
  'host=10.0.0.1 port=5432 user=rep password=secret application_name=node2',
  "host='10.0.0.1,10.0.0.2' hostaddr=10.0.0.1 password='it\\'s \\\\ one'",
  'postgres://rep:secret@10.0.0.1:5432/',
  'postgresql://rep@10.0.0.1/?application_name=node2&sslmode=require',
  '',
];
const OVERRIDES: readonly Override[] = [
  { timeline: 1 },
  { timeline: 12, slot: 'node_2', isFromFile: true },
  { timeline: 3, to: { host: '10.0.0.2', port: 5433 } },
  { timeline: 3, to: { host: '::1', port: 5433 }, slot: 's' },
  { timeline: 3, to: { host: "/run/it's here", port: 5433 } },
];

describe.each(ORIGINALS)('%j', (original) => {
  test.each(OVERRIDES)('is what it was, without %j', (override) => {
    expect(readConninfo(withOverride(original, override))).toEqual({ original, override });
  });

  test('is nobody’s doing but its own', () => {
    expect(readConninfo(original)).toEqual({ original });
  });
});

test('an override comes last, and the address of before is out of the way', () => {
  const to = { host: 'b', port: 2 };
  expect(withOverride('host=a hostaddr=1.1.1.1 port=1', { timeline: 1, to })).toBe(
    "host=a hostaddr=1.1.1.1 port=1 fallback_application_name=nestjs-pg-mcp/1///b:2 host='b' hostaddr='' port='2'",
  );
  expect(withOverride('postgres://a:1/?hostaddr=1.1.1.1', { timeline: 1, to })).toBe(
    'postgres://a:1/?hostaddr=1.1.1.1&fallback_application_name=nestjs-pg-mcp/1///b:2&host=b&hostaddr=&port=2',
  );
});

test.each([
  ["user=rep host=a port = '5433' password='host=b'", { host: 'a', port: 5433 }],
  ['host=a', { host: 'a', port: 5432 }],
  ["host='a,b' port=1", undefined],
  ['hostaddr=1.1.1.1', undefined],
  ['postgres://a:1/?host=b', undefined],
])('%s leads to %j', (conninfo, address) => {
  expect(plainAddress(conninfo)).toEqual(address);
});
