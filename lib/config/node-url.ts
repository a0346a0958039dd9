import { TLS_MODES } from './tls.js';

/** A node as the schema takes it, or what is wrong with its URL. No message repeats a part of the URL but the names of parameters. */
export type NodeFromUrl =
  { readonly node: Record<string, unknown> } | { readonly problems: readonly string[] };

const SSL_MODES: readonly string[] = [...TLS_MODES, 'no-verify'];
const NODE_PARAMETERS = ['name', 'weight', 'zone'];
/** Of libpq, with the setting that holds the same. */
const TLS_SETTINGS = {
  sslrootcert: 'ca_file',
  sslcert: 'cert_file',
  sslkey: 'key_file',
  sslpassword: 'passphrase',
};
const TLS_PARAMETERS = ['sslmode', ...Object.keys(TLS_SETTINGS)];

/**
 * Takes `postgres://user:password@host:port/database?sslmode=…` apart (PostgreSQL manual, section
 * 34.1.1.2). Beside libpq's `sslmode`, `sslrootcert`, `sslcert`, `sslkey` and `sslpassword` it knows
 * `name`, `weight` and `zone` of a node.
 */
export function nodeFromUrl(url: string): NodeFromUrl {
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
    const tls = tlsOf(parameters);
    const problems = [...unknownParameters(parameters), ...('problem' in tls ? [tls.problem] : [])];
    if (problems.length > 0) return { problems };
    const parts = {
      host: decodeURIComponent(host),
      port,
      user: user === undefined ? undefined : decodeURIComponent(user),
      password: password.length === 0 ? undefined : decodeURIComponent(password.join(':')),
      database: decodeURIComponent(path),
      ssl: 'ssl' in tls ? tls.ssl : undefined,
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
 * libpq's meaning (manual, section 34.19). Without a mode a file asks for `verify-full`, for the safe
 * side; `sslrootcert=system` means the authorities that Node.js trusts.
 */
function tlsOf(parameters: ReadonlyMap<string, string>): { ssl?: object } | { problem: string } {
  const files = Object.entries(TLS_SETTINGS).flatMap(([parameter, key]) => {
    const value = parameters.get(parameter) ?? '';
    return value === '' ? [] : [[key, value] as const];
  });
  const mode = parameters.get('sslmode') ?? (files.length > 0 ? 'verify-full' : undefined);
  if (mode === undefined) return {};
  if (!SSL_MODES.includes(mode)) {
    const known = `${SSL_MODES.slice(0, -1).join(', ')} or ${SSL_MODES.at(-1)}`;
    return { problem: `the sslmode is not known, expected ${known}` };
  }
  const isSystem = parameters.get('sslrootcert') === 'system';
  if (isSystem && mode !== 'verify-full') return { problem: 'sslrootcert=system needs sslmode=verify-full' };
  const given = files.filter(([key]) => !(isSystem && key === 'ca_file'));
  const verified = mode === 'no-verify' ? { reject_unauthorized: false } : { mode };
  return { ssl: { ...verified, ...Object.fromEntries(given) } };
}
