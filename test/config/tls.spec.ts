import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { loadSettings, type ClusterConfig } from '../../lib/config/index.js';
import { overlaidTls } from '../../lib/config/tls-section.js';
import { Tls } from '../../lib/config/tls.js';
import { Authority } from '../support/authority.js';
import { sure } from '../support/sure.js';
import { faultsOf } from './faults-of.js';

const folder = mkdtempSync(join(tmpdir(), 'pg-mcp-tls-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
const authority = new Authority(folder, 'authority');
const [own, other] = [authority.issue('app'), authority.issue('other')];
const locked = authority.issue('app', { passphrase: 'open sesame' });
const ca = authority.certFile;
const inFolder = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const junk = inFolder('junk.pem', 'nothing\n');
const broken = inFolder('broken.pem', '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n');

type Ssl = ClusterConfig['ssl'];
const master = { host: 'db1', user: 'app', database: 'shop' };
const configured = (ssl: unknown, cluster?: unknown) =>
  ({ ssl: cluster, masters: [{ ...master, ssl }] }) as ClusterConfig;
const tlsOf = (ssl: Ssl, cluster?: Ssl) => loadSettings(configured(ssl, cluster)).nodes[0]?.ssl;

describe("what a node's ssl means", () => {
  test.each<[string, Ssl, Ssl, false | Tls['mode']]>([
    ['nothing', undefined, undefined, false],
    ['false', false, undefined, false],
    ['true', true, undefined, 'verify-full'],
    ['an empty section', {}, undefined, 'verify-full'],
    ['only an authority', { ca_file: ca }, undefined, 'verify-full'],
    ['disable', { mode: 'disable', ca_file: ca }, undefined, false],
    ['require', { mode: 'require' }, undefined, 'require'],
    ['require, with an authority', { mode: 'require', ca_file: ca }, undefined, 'verify-ca'],
    ['verify-ca', { mode: 'verify-ca' }, undefined, 'verify-ca'],
    ['verify-full', { mode: 'verify-full' }, undefined, 'verify-full'],
    ['the word of Node.js for require', { rejectUnauthorized: false, ca_file: ca }, undefined, 'require'],
    ["the cluster's", undefined, { mode: 'verify-ca' }, 'verify-ca'],
    ["the cluster's true", undefined, true, 'verify-full'],
    ["false over the cluster's", false, { mode: 'verify-ca' }, false],
    ["true over the cluster's", true, { mode: 'require' }, 'verify-full'],
    ["other settings than the cluster's", { servername: 'db1' }, { mode: 'require' }, 'require'],
    ["a mode over the cluster's", { mode: 'verify-ca' }, { rejectUnauthorized: false }, 'verify-ca'],
    ["a section over the cluster's false", { servername: 'db1' }, false, 'verify-full'],
    ["an authority over the cluster's", { ca_file: ca }, { ca_file: ca, mode: 'require' }, 'verify-ca'],
  ])('%s', (_, ssl, cluster, mode) => {
    const tls = tlsOf(ssl, cluster);
    expect(tls === false ? tls : tls?.mode).toBe(mode);
  });

  test.each<[Tls['mode'], boolean, boolean]>([
    ['require', false, false],
    ['verify-ca', true, true],
    ['verify-full', true, false],
  ])('%s, for tls.connect', (mode, rejectUnauthorized, ignoresTheName) => {
    const options = new Tls({ mode, servername: 'db1' }).options();
    expect(options).toMatchObject({ rejectUnauthorized, servername: 'db1' });
    expect(options.checkServerIdentity !== undefined).toBe(ignoresTheName);
  });

  test('what TypeScript alone can give is passed on', () => {
    const [checkServerIdentity, secureContext] = [() => undefined, createSecureContext()];
    const options = sure(tlsOf({ checkServerIdentity, secureContext }) || undefined).options();
    expect(options.checkServerIdentity).toBe(checkServerIdentity);
    expect(options.secureContext).toBe(secureContext);
  });

  test('nothing, over a Unix socket', () => {
    const masters = [{ ...master, host: '/run/postgresql' }];
    expect(loadSettings({ masters, ssl: true }).nodes[0]?.ssl).toBe(false);
  });
});

test.each<[object, object, object]>([
  [{ ca_file: 'x', servername: 'a' }, { ca: 'own' }, { ca: 'own', servername: 'a' }],
  [{ key_file: 'x', cert_file: 'y', passphrase: 'z' }, { pfx: 'own' }, { pfx: 'own' }],
  [{ mode: 'require' }, { reject_unauthorized: true }, { reject_unauthorized: true }],
  [{ crl: 'x' }, { crl_file: 'own', servername: 'b' }, { crl_file: 'own', servername: 'b' }],
])('what means something together is replaced together: %j under %j', (below, above, both) => {
  expect(overlaidTls(below, above)).toEqual(both);
});

test("relative paths start in the file's folder, those of the options in the working directory", () => {
  const path = inFolder('db_cluster.json', JSON.stringify(configured({ ca_file: 'authority.crt' })));
  expect(loadSettings(path).nodes[0]?.ssl).toMatchObject({ mode: 'verify-full' });
  const url = 'postgres://app@db1/shop?sslmode=verify-full&sslrootcert=authority.crt';
  const ofUrl = inFolder('url.json', JSON.stringify({ masters: [url] }));
  expect(loadSettings(ofUrl).nodes[0]?.ssl).toMatchObject({ mode: 'verify-full' });
  expect(faultsOf(path, { ssl: { caFile: 'authority.crt' } })).toEqual([
    `ssl.caFile: can't read ${join(process.cwd(), 'authority.crt')}: there is no such file (in the options)`,
  ]);
});

describe('refused, with file and setting:', () => {
  const pair = { cert_file: own.certFile, key_file: own.keyFile };
  test.each<[string, object, string]>([
    [
      'a file that is missing',
      { caFile: '/nowhere/ca.pem' },
      "caFile: can't read /nowhere/ca.pem: there is no such file",
    ],
    ['a folder', { ca_file: folder }, `ca_file: can't read ${folder}: it is a folder`],
    ['no certificate', { ca_file: junk }, `ca_file: ${junk} holds no certificate in PEM`],
    ['a broken certificate', { ca_file: broken }, `ca_file: ${broken} holds no certificate in PEM`],
    [
      'a key for a certificate',
      { ...pair, cert_file: own.keyFile },
      `cert_file: ${own.keyFile} holds no certificate in PEM`,
    ],
    [
      'a certificate for a key',
      { ...pair, key_file: own.certFile },
      `key_file: ${own.certFile} holds no private key in PEM`,
    ],
    [
      "another's key",
      { ...pair, key_file: other.keyFile },
      `key_file: ${other.keyFile} is not the key of ${own.certFile}`,
    ],
    [
      'a key without its passphrase',
      { cert_file: locked.certFile, key_file: locked.keyFile },
      `key_file: ${locked.keyFile} needs its passphrase`,
    ],
    [
      'a wrong passphrase',
      { cert_file: locked.certFile, key_file: locked.keyFile, passphrase: 'open barley' },
      `key_file: ${locked.keyFile} does not open with the passphrase`,
    ],
    [
      'a certificate without a key',
      { cert_file: own.certFile },
      'cert_file: has no private key to go with: key_file is missing',
    ],
    [
      'a key without a certificate',
      { key_file: own.keyFile },
      'key_file: has no certificate to go with: cert_file is missing',
    ],
    [
      'an authority in two ways',
      { ca: readFileSync(ca), ca_file: ca },
      'ca: ca_file says the same; keep one',
    ],
    [
      'a mode in two ways',
      { mode: 'require', rejectUnauthorized: false },
      'rejectUnauthorized: mode says the same; keep one',
    ],
    [
      'an unknown mode',
      { mode: 'prefer' },
      "mode: found \"prefer\", expected 'disable', 'require', 'verify-ca' or 'verify-full'",
    ],
  ])('%s', (_, ssl, message) => {
    expect(faultsOf(configured(ssl))).toEqual([`masters[0].ssl.${message}`]);
    expect(faultsOf(configured(undefined, ssl))).toEqual([`ssl.${message}`]);
  });

  test("what OpenSSL refuses, and what is Patroni's", () => {
    expect(faultsOf(configured({ ciphers: 'none' }))).toEqual([
      expect.stringMatching(/^masters\[0\]\.ssl: OpenSSL refuses these settings: .*no cipher match/),
    ]);
    const patroni = { ssl: { ca_file: junk } };
    expect(faultsOf({ masters: [master], failover: { patroni } })).toEqual([
      `failover.patroni.ssl.ca_file: ${junk} holds no certificate in PEM`,
    ]);
    expect(faultsOf({ masters: [master], failover: { patroni: { ssl: { mode: 'disable' } } } })).toEqual([
      'failover.patroni.ssl.mode: for an API without TLS write http:// in failover.patroni.urls',
    ]);
  });
});

describe('files', () => {
  test('are taken as they are, and made ready once', () => {
    const { certFile, keyFile } = locked;
    const tls = new Tls({ caFile: ca, certFile, keyFile, passphrase: 'open sesame' });
    expect(tls.faults()).toEqual([]);
    expect(tls.options()).toBe(tls.options());
  });

  test('that change serve the next connection; that go bad are named, and serve again when mended', () => {
    const caFile = join(folder, 'changing.crt');
    copyFileSync(ca, caFile);
    const tls = new Tls({ caFile });
    const { secureContext } = tls.options();
    writeFileSync(caFile, readFileSync(new Authority(folder, 'second').certFile));
    expect(tls.options().secureContext).not.toBe(secureContext);
    writeFileSync(caFile, 'nothing');
    expect(() => tls.options()).toThrow(
      `ssl can't be used:\n  - ca_file: ${caFile} holds no certificate in PEM`,
    );
    copyFileSync(ca, caFile);
    expect(tls.options().rejectUnauthorized).toBe(true);
  });
});
