import type { ConfigFault } from '../errors.js';
import { toCamel } from './keys.js';
import { isRecord } from './path.js';
import { Tls } from './tls.js';

/** An `ssl` that has been checked, with its keys as the file writes them. */
export type TlsSection = boolean | object | undefined;

/** Settings that mean something together: who gives one of them replaces all. */
const GROUPS = [
  ['mode', 'reject_unauthorized', 'check_server_identity'],
  ['ca', 'ca_file'],
  ['cert', 'cert_file', 'key', 'key_file', 'passphrase', 'pfx'],
  ['crl', 'crl_file'],
];

/** A node's own `ssl` over that of the cluster. */
export function overlaidTls(below: TlsSection, above: TlsSection): TlsSection {
  if (above === undefined) return below;
  const own = above === true ? { mode: 'verify-full' } : above;
  if (typeof below !== 'object' || typeof own !== 'object') return own;
  const covered = GROUPS.filter((group) => group.some((key) => key in own)).flat();
  const rest = Object.entries(below).filter(([key]) => !covered.includes(key));
  return { ...Object.fromEntries(rest), ...own };
}

export function toTls(section: TlsSection): false | Tls {
  if (section === undefined || section === false) return false;
  if (section === true) return new Tls();
  if ('mode' in section && section.mode === 'disable') return false;
  return new Tls(Object.fromEntries(Object.entries(section).map(([key, value]) => [toCamel(key), value])));
}

const TWINS = [
  ['ca', 'ca_file'],
  ['cert', 'cert_file'],
  ['key', 'key_file'],
  ['crl', 'crl_file'],
  ['reject_unauthorized', 'mode'],
] as const;

/** What no field shows by itself, and what the files are. Paths are keys of the section. */
export function tlsFaults(section: unknown): readonly ConfigFault[] {
  if (!isRecord(section)) return [];
  const given = (...keys: string[]) => keys.find((key) => section[key] !== undefined);
  const twice = TWINS.flatMap(([own, other]): ConfigFault[] => {
    if (given(own) === undefined || given(other) === undefined) return [];
    return [{ path: own, message: `${other} says the same; keep one` }];
  });
  if (twice.length > 0) return twice;
  const [cert, key] = [given('cert', 'cert_file'), given('key', 'key_file')];
  if (cert !== undefined && key === undefined)
    return [{ path: cert, message: 'has no private key to go with: key_file is missing' }];
  if (key !== undefined && cert === undefined)
    return [{ path: key, message: 'has no certificate to go with: cert_file is missing' }];
  const tls = toTls(section);
  return tls === false ? [] : tls.faults();
}
