import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseCookie, stringifySetCookie } from 'cookie';
import type { PgCluster } from '../cluster.js';
import type { Session } from '../session/session.js';
import { DEFAULT_CLUSTER } from './tokens.js';

/** Carries the tokens of one cluster's sessions in a header and a cookie. */
export class SessionTokenCarrier {
  readonly #cluster: PgCluster;
  readonly #header: string;
  readonly #cookie: string;

  constructor(cluster: PgCluster) {
    this.#cluster = cluster;
    const { header, cookie } = cluster.session.names;
    // Several clusters of one application have a token each.
    const suffix = cluster.name === DEFAULT_CLUSTER ? '' : cluster.name.replaceAll(/[^\w-]/g, '_');
    this.#header = suffix === '' ? header : `${header}-${suffix}`;
    this.#cookie = suffix === '' ? cookie : `${cookie}_${suffix}`;
  }

  /** What the client brings; the header counts before the cookie. */
  tokenIn({ headers }: IncomingMessage): string | undefined {
    const header = headers[this.#header.toLowerCase()];
    if (typeof header === 'string') return header;
    return headers.cookie === undefined ? undefined : parseCookie(headers.cookie)[this.#cookie];
  }

  /** Has the answer, whatever it is, bring the session's token where it says more than what the client brought. */
  tellIn(response: ServerResponse, session: Session, brought: string | undefined): void {
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
    response.writeHead = (...args: unknown[]) => {
      const token = response.headersSent ? undefined : this.#cluster.session.tokenOf(session);
      if (token !== undefined && token !== brought) this.#write(response, token, args.at(-1));
      return writeHead(...args);
    };
  }

  #write(response: ServerResponse, token: string, given: unknown): void {
    response.setHeader(this.#header, token);
    const isEncrypted = response.req.socket !== null && 'encrypted' in response.req.socket;
    const cookie = stringifySetCookie(this.#cookie, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: isEncrypted,
    });
    // Cookies given to `writeHead` itself would take the place of all others.
    const list = cookiesIn(given);
    if (list) list.add(cookie);
    else response.appendHeader('set-cookie', cookie);
  }
}

/** The cookies among headers as `writeHead` takes them, by name. */
function cookiesIn(headers: unknown): { add(cookie: string): void } | undefined {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return undefined;
  const record = headers as Record<string, unknown>;
  const name = Object.keys(record).find((key) => key.toLowerCase() === 'set-cookie');
  if (name === undefined) return undefined;
  return { add: (cookie) => (record[name] = [record[name], cookie].flat()) };
}
