import { describe, expect, test } from 'vitest';
import { editDistance, nearestKey, toCamel, toSnake } from '../../lib/config/keys.js';

test.each([
  ['host', 'host'],
  ['max_lag_bytes', 'maxLagBytes'],
  ['$schema', '$schema'],
])('%s is %s', (snake, camel) => {
  expect(toCamel(snake)).toBe(camel);
  expect(toSnake(camel)).toBe(snake);
});

test.each([
  ['', '', 0],
  ['port', 'port', 0],
  ['', 'port', 4],
  ['prt', 'port', 1],
  ['pport', 'port', 1],
  ['pirt', 'port', 1],
  ['prot', 'port', 1],
  ['kitten', 'sitting', 3],
])('%j is as far from %j as %d edits', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});

describe('the nearest key', () => {
  const known = ['host', 'port', 'min_connections', 'max_connections', 'idle_timeout'];
  test.each([
    ['prot', 'port'],
    ['hostname', 'host'],
    ['max_conections', 'max_connections'],
    ['maxConections', 'maxConnections'],
    ['idletimeout', 'idle_timeout'],
    ['MinConnection', 'minConnections'],
    ['colour', undefined],
    ['tls', undefined],
  ])('to %s is %s', (key, nearest) => {
    expect(nearestKey(key, known)).toBe(nearest);
  });
});
