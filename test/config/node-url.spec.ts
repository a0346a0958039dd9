import { describe, expect, test } from 'vitest';
import { type ClusterConfig, loadSettings } from '../../lib/config/index.js';
import { nodeFromUrl } from '../../lib/config/node-url.js';
import { faultsOf } from './faults-of.js';
import { revealed } from './revealed.js';

describe('the parts of a URL', () => {
  test.each<[string, object]>([
    [
      'postgres://app:pw@db1:6432/shop',
      { host: 'db1', port: '6432', user: 'app', password: 'pw', database: 'shop' },
    ],
    ['postgresql://app@db1/shop', { host: 'db1', user: 'app', database: 'shop' }],
    ['POSTGRES://db1', { host: 'db1' }],
    ['postgres://db1:/', { host: 'db1' }],
    [
      'postgres://a%40b:p%3Aw%2F%25@db1/my%20shop',
      { host: 'db1', user: 'a@b', password: 'p:w/%', database: 'my shop' },
    ],
    ['postgres://app:p:w#1@db1', { host: 'db1', user: 'app', password: 'p:w#1' }],
    ['postgres://app@[::1]:6432/shop', { host: '::1', port: '6432', user: 'app', database: 'shop' }],
    [
      'postgres://app@%2Fvar%2Frun%2Fpostgresql/shop',
      { host: '/var/run/postgresql', user: 'app', database: 'shop' },
    ],
    ['postgres://db1?name=one&weight=2&zone=eu%2Ba', { host: 'db1', name: 'one', weight: '2', zone: 'eu+a' }],
  ])('%s', (url, node) => {
    expect(nodeFromUrl(url)).toEqual({ node });
  });
});

describe('refused', () => {
  const encode = 'a character in the user or password must be percent-encoded: / as %2F, ? as %3F, @ as %40';
  const known = 'known: sslmode, sslrootcert, sslcert, sslkey, sslpassword, name, weight, zone';
  test.each<[string, string[]]>([
    ['db1:5432', ['expected a URL like postgres://user:password@host:5432/database']],
    ['mysql://db1', ['expected a URL like postgres://user:password@host:5432/database']],
    ['postgres://app:a/b@db1/shop', [encode]],
    ['postgres://app:a?b@db1/shop', [encode]],
    [
      'postgres://app:%zz@db1/shop',
      ['a % that does not start a percent-encoded character; write %25 for a plain %'],
    ],
    ['postgres://db1,db2/shop', ['several hosts in one URL; list each as a node of its own']],
    ['postgres://::1/shop', ['an IPv6 address in a URL stands in brackets: [::1]']],
    [
      'postgres://db1?schema=a&pool=5',
      [`unknown parameter "schema" in the URL (${known})`, `unknown parameter "pool" in the URL (${known})`],
    ],
    [
      'postgres://db1?sslmode=prefer',
      ['the sslmode is not known, expected disable, require, verify-ca, verify-full or no-verify'],
    ],
    ['postgres://db1?sslmode=require&sslrootcert=system', ['sslrootcert=system needs sslmode=verify-full']],
  ])('%s', (url, problems) => {
    expect(nodeFromUrl(url)).toEqual({ problems });
  });
});

describe('sslmode means what libpq means', () => {
  test.each<[string, unknown]>([
    ['', undefined],
    ['sslmode=disable', { mode: 'disable' }],
    ['sslmode=no-verify', { reject_unauthorized: false }],
    ['sslmode=require', { mode: 'require' }],
    ['sslmode=require&sslrootcert=ca.pem', { mode: 'require', ca_file: 'ca.pem' }],
    ['sslmode=verify-ca', { mode: 'verify-ca' }],
    ['sslmode=verify-full', { mode: 'verify-full' }],
    ['sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem', { mode: 'verify-full', ca_file: '/etc/ca.pem' }],
    ['sslmode=verify-full&sslrootcert=system', { mode: 'verify-full' }],
    ['sslrootcert=ca.pem', { mode: 'verify-full', ca_file: 'ca.pem' }],
    [
      'sslmode=require&sslcert=own.pem&sslkey=key.pem&sslpassword=a%26b',
      { mode: 'require', cert_file: 'own.pem', key_file: 'key.pem', passphrase: 'a&b' },
    ],
  ])('%s', (query, ssl) => {
    const parsed = nodeFromUrl(`postgres://db1?${query}`);
    expect(parsed).toEqual({ node: { host: 'db1', ...(ssl !== undefined && { ssl }) } });
  });
});

test('a URL is a node like any other', () => {
  const config: ClusterConfig = {
    masters: ['postgres://${DB_USER}:${DB_PASSWORD}@db1/shop?sslmode=verify-full'],
    replicas: ['postgres://db2:6432?weight=2', '${REPLICA_URL}'],
  };
  const environment = { DB_USER: 'app', DB_PASSWORD: 'p@ss/w:rd', REPLICA_URL: 'postgres://reader:r%40@db3' };
  const app = { user: 'app', password: 'p@ss/w:rd' };
  expect(revealed(loadSettings(config, {}, environment).nodes)).toMatchObject([
    {
      name: 'db1:5432',
      database: 'shop',
      ssl: { mode: 'verify-full' },
      accounts: { primary: app, replica: app },
    },
    { name: 'db2:6432', database: 'shop', weight: 2, ssl: false, accounts: { primary: app, replica: app } },
    { name: 'db3:5432', accounts: { primary: app, replica: { user: 'reader', password: 'r@' } } },
  ]);
});

test('faults of its parts have their own paths, and show no part of it', () => {
  expect(faultsOf({ masters: ['postgres://app:pw@db1:77777/shop', 'postgres://db2?weight=x'] })).toEqual([
    'masters[0].port: found a string, expected a port from 1 to 65535',
    'masters[1].weight: found a string, expected a number of at least 0',
    'masters[1].user: is missing, expected the name of an account',
    'masters[1].database: is missing, expected the name of a database',
  ]);
});
