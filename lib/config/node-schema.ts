import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { z } from 'zod';
import { section, setting } from './setting.js';
import { TLS_MODES } from './tls.js';
import { choice, flag, number, password, pem, text } from './values.js';

const file = text('the path of a file');
const tlsVersion = choice(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']);

export const tls = section('TLS. Beside what is listed first, options of Node.js tls.connect.', {
  mode: choice(TLS_MODES)
    .optional()
    .describe(
      "What is verified, in libpq's words: disable, no TLS; require, nothing; verify-ca, the authority; verify-full, the host name too. Default: verify-full.",
    ),
  ca_file: file.optional().describe('A file of authorities to trust, in place of those of Node.js.'),
  cert_file: file.optional().describe('The file of the client certificate.'),
  key_file: file.optional().describe('The file of its private key.'),
  crl_file: file.optional().describe('A file of certificate revocation lists.'),
  passphrase: text('a string').optional().describe('Opens the private key.'),
  servername: text('a host name')
    .optional()
    .describe("The name to ask for (SNI) and to verify. Default: the node's host."),
  ca: pem('ca_file').optional().describe('Authorities to trust, as PEM text: not read again, as ca_file is.'),
  cert: pem('cert_file').optional().describe('The client certificate, as PEM text.'),
  key: pem('key_file').optional().describe('The private key of the client certificate, as PEM text.'),
  pfx: z
    .custom<TlsOptions['pfx']>()
    .optional()
    .describe('Key and certificate as PKCS #12 (TypeScript only).'),
  crl: pem('crl_file').optional().describe('Certificate revocation lists, as PEM text.'),
  reject_unauthorized: flag()
    .optional()
    .describe('false: as mode require. Node.js has this name for it. Default: true.'),
  ciphers: text('an OpenSSL cipher list').optional().describe('Cipher suites, in the notation of OpenSSL.'),
  sigalgs: text('an OpenSSL list of signature algorithms').optional().describe('Signature algorithms.'),
  ecdh_curve: text('a list of curves').optional().describe('Curves for the key agreement.'),
  min_version: tlsVersion.optional().describe('The oldest TLS version.'),
  max_version: tlsVersion.optional().describe('The newest TLS version.'),
  check_server_identity: z
    .custom<TlsOptions['checkServerIdentity']>((value) => typeof value === 'function', 'expected a function')
    .optional()
    .describe('Replaces the check of the host name (TypeScript only).'),
  secure_context: z
    .custom<TlsOptions['secureContext']>()
    .optional()
    .describe('From tls.createSecureContext (TypeScript only).'),
});

export const ssl = z.union([flag('true, false or an object of TLS options'), tls]).optional();

/** A socket's folder, or one host: neither a URL nor a list nor `host:port`. */
const isHost = (value: string) => value.startsWith('/') || !/[\s/@,]|^[^:]+:\d+$/.test(value);

const host = text('a host name or an address, without the port', isHost).describe(
  'Host name, address, or the folder of a Unix socket.',
);
export const user = text('the name of an account').describe('The account to connect with.');
export const database = text('the name of a database').describe('The database to connect to.');
export const secret = password()
  .optional()
  .describe('Its password. Write ${DB_PASSWORD} or ${file:/run/secrets/db}.');

const nodeShape = {
  host,
  port: setting(number('a port from 1 to 65535', { min: 1, max: 65_535 }), 5432, 'TCP port.'),
  password: secret,
  name: text('a name').optional().describe('Unique name for logs, health and metrics. Default: host:port.'),
  weight: setting(
    number('a number of at least 0', { min: 0, whole: false }),
    1,
    'Share of the reads relative to the other nodes; at 0 it takes some only when no other can.',
  ),
  zone: text('the name of a zone')
    .optional()
    .describe('Where the node stands, such as an availability zone: see routing.zone.'),
  ssl: ssl.describe(
    "TLS: false for none, true for a verified certificate, or options. Default: the cluster's.",
  ),
};

const nodeError = { error: 'expected a node: an object or a postgres:// URL' };

/** A node of `masters`, after its URL, if it was one, has been taken apart. */
export const masterNode = z.strictObject({ ...nodeShape, user, database }, nodeError);

/** A node of `replicas`. */
export const replicaNode = z.strictObject(
  {
    ...nodeShape,
    user: user.optional().describe("The account to connect with. Default: the first master's."),
    database: database.optional().describe("The database to connect to. Default: the first master's."),
  },
  nodeError,
);
