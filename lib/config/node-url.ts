import { readText } from './text-file.js';

/** A node as the schema takes it, or what is wrong with its URL. No message repeats a part of the URL but the names of parameters. */
export type NodeFromUrl =
  { readonly node: Record<string, unknown> } | { readonly problems: readonly string[] };

const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full', 'no-verify'];
const NODE_PARAMETERS = ['name', 'weight', 'zone'];
const TLS_PARAMETERS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey'];

/**
 * Takes `postgres://user:password@host:port/database?sslmode=…` apart (PostgreSQL manual, section
 * 34.1.1.2). Beside libpq's `sslmode`, `sslrootcert`, `sslcert` and `sslkey` it knows `name`,
 * `weight` and `zone` of a node. Relative paths start in `folder`.
 */
export function nodeFromUrl(url: string, folder: string): NodeFromUrl {
  const match = /^postgres(?:ql)?:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/is.exec(url);
  if (!match) return { problems: ['expected a URL like postgres://user:password@host:5432/database'] };
  const [, authority = '', path = '', query = ''] = match;
  if (path.includes('@') || query.includes('@')) {
    return {
      problems: ['a character in the user or password must be percent-encoded: / as %2F, ? as %3F, @ as %40'],
    };
  }
  const at = authority.lastIndexOf('@');
  const [user, ...password] = at < 0 ? [] : authority.slice(0, at).split(':');
  const address = authority.slice(at + 1);
  if (address.includes(','))
    return { problems: ['several hosts in one URL; list each as a node of its own'] };
  const [, bracketed, host = bracketed, port] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::([^:]*))?$/s.exec(address) ?? [];
  if (host === undefined) return { problems: ['an IPv6 address in a URL stands in brackets: [::1]'] };

  try {
    const parameters = parse(query);
    const tls = tlsOf(parameters, folder);
    const problems = [...unknownParameters(parameters), ...tls.problems];
    if (problems.length > 0) return { problems };
    const parts = {
      host: decodeURIComponent(host),
      port,
      user: user === undefined ? undefined : decodeURIComponent(user),
      password: password.length === 0 ? undefined : decodeURIComponent(password.join(':')),
      database: decodeURIComponent(path),
      ssl: tls.ssl,
      ...Object.fromEntries(NODE_PARAMETERS.map((name) => [name, parameters.get(name)])),
    };
    return {
      node: Object.fromEntries(
        Object.entries(parts).filter(([, value]) => value !== undefined && value !== ''),
      ),
    };
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return { problems: ['a % that does not start a percent-encoded character; write %25 for a plain %'] };
  }
}

function parse(query: string): Map<string, string> {
  const pairs = query.split('&').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [decodeURIComponent(name), decodeURIComponent(value.join('='))];
    }),
  );
}

function unknownParameters(parameters: ReadonlyMap<string, string>): string[] {
  const known = [...TLS_PARAMETERS, ...NODE_PARAMETERS];
  const unknown = [...parameters.keys()].filter((name) => !known.includes(name));
  return unknown.map((name) => `unknown parameter "${name}" in the URL (known: ${known.join(', ')})`);
}

/**
 * libpq's meaning (manual, section 34.19): `require` encrypts and checks no certificate, unless
 * `sslrootcert` is given, which makes it `verify-ca`; `verify-ca` checks the chain, `verify-full`
 * the host name too. Without a mode a certificate asks for `verify-full`, for the safe side, and
 * `sslrootcert=system` means the authorities that Node.js trusts.
 */
function tlsOf(
  parameters: ReadonlyMap<string, string>,
  folder: string,
): { ssl?: unknown; problems: string[] } {
  const [rootCert, cert, key] = ['sslrootcert', 'sslcert', 'sslkey'].map((name) => parameters.get(name));
  const certified = rootCert !== undefined || cert !== undefined || key !== undefined;
  const mode = parameters.get('sslmode') ?? (certified ? 'verify-full' : undefined);
  if (mode === undefined) return { problems: [] };
  if (!SSL_MODES.includes(mode)) {
    return {
      problems: [
        `the sslmode is not known, expected ${SSL_MODES.slice(0, -1).join(', ')} or ${SSL_MODES.at(-1)}`,
      ],
    };
  }
  if (mode === 'disable') return { ssl: false, problems: [] };
  if (rootCert === 'system' && mode !== 'verify-full')
    return { problems: ['sslrootcert=system needs sslmode=verify-full'] };

  const problems: string[] = [];
  const read = (name: string, path: string | undefined) => {
    if (path === undefined || path === '') return {};
    const found = readText(path, folder);
    if ('value' in found) return { [name]: found.value };
    problems.push(found.problem);
    return {};
  };
  const files = {
    ...read('ca', rootCert === 'system' ? undefined : rootCert),
    ...read('cert', cert),
    ...read('key', key),
  };
  return { ssl: { ...files, ...verification(mode, rootCert !== undefined) }, problems };
}

function verification(mode: string, hasRoot: boolean): Record<string, unknown> {
  if (mode === 'verify-full') return { reject_unauthorized: true };
  if (mode === 'verify-ca' || (mode === 'require' && hasRoot)) {
    return { reject_unauthorized: true, check_server_identity: () => undefined };
  }
  return { reject_unauthorized: false };
}
