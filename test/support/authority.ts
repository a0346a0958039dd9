import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Certificate } from './certificate.js';

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '2'];

/** A certificate authority with its files in a folder. */
export class Authority {
  readonly certFile: string;
  readonly #keyFile: string;
  #issued = 0;

  constructor(
    readonly folder: string,
    readonly name: string,
  ) {
    [this.certFile, this.#keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
    request(['-noenc', '-subj', `/CN=${name}`, '-keyout', this.#keyFile, '-out', this.certFile]);
  }

  /** For a server: of these names, like `DNS:db1` or `IP:127.0.0.1`. For a client: with its account as common name. */
  issue(commonName: string, { names = [], passphrase }: { names?: string[]; passphrase?: string } = {}) {
    const base = join(this.folder, `${this.name}-${++this.#issued}`);
    const issued: Certificate = { certFile: `${base}.crt`, keyFile: `${base}.key` };
    const key = passphrase === undefined ? ['-noenc'] : ['-passout', `pass:${passphrase}`];
    const extension = names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`];
    const signer = ['-CA', this.certFile, '-CAkey', this.#keyFile];
    const output = ['-keyout', issued.keyFile, '-out', issued.certFile];
    request([...signer, '-subj', `/CN=${commonName}`, ...key, ...extension, ...output]);
    return issued;
  }
}

function request(args: readonly string[]): void {
  execFileSync('openssl', ['req', '-x509', ...EC, ...args], { stdio: 'ignore' });
}
