import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { ConfigFault } from '../errors.js';
import { readText } from './text-file.js';

/** The files that an `ssl` may name, by key, and the option of `tls.connect` that each is read for. */
export const TLS_FILES = { caFile: 'ca', certFile: 'cert', keyFile: 'key', crlFile: 'crl' } as const;
type FileKey = keyof typeof TLS_FILES;
const FILE_KEYS = Object.keys(TLS_FILES) as FileKey[];

/** Paths, or what stands there. */
export type TlsFiles = { readonly [Key in FileKey]?: string };

/** What is wrong goes into `faults`, by the setting that names the file. */
export function readTlsFiles(paths: TlsFiles, faults: ConfigFault[]): TlsFiles {
  const contents: { [Key in FileKey]?: string } = {};
  for (const key of FILE_KEYS) {
    const path = paths[key];
    if (path === undefined) continue;
    const found = readText(path, process.cwd());
    if ('value' in found) contents[key] = found.value;
    else faults.push({ path: settingOf(key), message: found.problem });
  }
  return contents;
}

export function areSame(a: TlsFiles, b: TlsFiles): boolean {
  return FILE_KEYS.every((key) => a[key] === b[key]);
}

/** OpenSSL would report the same in riddles, or take a file without a certificate for no authority at all. */
export function judgeTlsFiles(
  contents: TlsFiles,
  paths: TlsFiles,
  passphrase: string | undefined,
): readonly ConfigFault[] {
  const { caFile, certFile, keyFile } = contents;
  const fault = (key: FileKey, problem: string): ConfigFault => ({
    path: settingOf(key),
    message: `${paths[key]} ${problem}`,
  });
  const noCertificate = 'holds no certificate in PEM';
  const key = keyFile === undefined ? undefined : openKey(keyFile, passphrase);
  const [certificate] = certFile === undefined ? [] : certificatesIn(certFile);
  const faults: ConfigFault[] = [];
  if (caFile !== undefined && certificatesIn(caFile).length === 0)
    faults.push(fault('caFile', noCertificate));
  if (certFile !== undefined && !certificate) faults.push(fault('certFile', noCertificate));
  if (key && 'problem' in key) faults.push(fault('keyFile', key.problem));
  else if (key && certificate && !certificate.checkPrivateKey(key))
    faults.push(fault('keyFile', `is not the key of ${paths.certFile}`));
  return faults;
}

/** `caFile` as the configuration file writes it. */
function settingOf(key: FileKey): string {
  return `${TLS_FILES[key]}_file`;
}

function openKey(pem: string, passphrase: string | undefined) {
  try {
    return createPrivateKey({ key: pem, ...(passphrase !== undefined && { passphrase }) });
  } catch {
    if (!pem.includes('ENCRYPTED')) return { problem: 'holds no private key in PEM' };
    return {
      problem: passphrase === undefined ? 'needs its passphrase' : 'does not open with the passphrase',
    };
  }
}

/** None where one of them can't be read. */
function certificatesIn(pem: string): readonly X509Certificate[] {
  try {
    const texts = pem.match(/-----BEGIN (TRUSTED )?CERTIFICATE-----[^-]+-----END \1?CERTIFICATE-----/g);
    return (texts ?? []).map((text) => new X509Certificate(text));
  } catch {
    return [];
  }
}
