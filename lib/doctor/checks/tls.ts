import { isIP } from 'node:net';
import type { NodeSettings } from '../../config/settings.js';
import { isSeen, type AccountFacts, type Facts } from '../facts.js';
import { fail, finding, pass, warn, type Finding, type Verdict } from '../finding.js';

/** Whether connections are encrypted, and to whom. */
export function checkTls({ nodes }: Facts): Finding[] {
  return nodes.flatMap(({ settings, account }) =>
    isSeen(account) ? [finding('tls', judge(settings, account), settings.name)] : [],
  );
}

function judge({ host, ssl }: NodeSettings, { tls }: AccountFacts): Verdict {
  if (tls === null) {
    if (ssl !== false)
      return warn(
        'on as far as a pooler, in plain text from there',
        'have the pooler use TLS to its servers',
      );
    if (host.startsWith('/')) return pass('a Unix socket: nothing leaves the machine');
    if (isLoopback(host))
      return warn('off; the server is on this machine', 'ssl: true, once it is elsewhere');
    return fail(
      'off: data cross the network in plain text',
      'ssl = on in the server, ssl: true here, with the authority in ssl.ca_file',
    );
  }
  if (ssl === false)
    return fail(
      `${tls} behind a pooler, in plain text up to it`,
      'ssl: true, and a certificate on the pooler',
    );
  switch (ssl.mode) {
    case 'require':
      return warn(
        `${tls}, but any certificate is taken`,
        "ssl.mode 'verify-full', with the authority in ssl.ca_file",
      );
    case 'verify-ca':
      return warn(`${tls}, certificate verified, but not its name`, "ssl.mode 'verify-full'");
    case 'verify-full':
      return pass(`${tls}, certificate and name verified`);
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
