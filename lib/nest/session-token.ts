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
    // Left empty by a client that has none to send: its cookie still counts.
    if (typeof header === 'string' && header !== '') return header;
    return headers.cookie === undefined ? undefined : parseCookie(headers.cookie)[this.#cookie];
  }

  /** Has the answer, whatever it is, bring the session's token where it says more than what the client brought. */
  tellIn(response: ServerResponse, session: Session, brought: string | undefined): void {
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
    response.writeHead = (...args: unknown[]) => {
      const token = response.headersSent ? undefined : this.#cluster.session.tokenOf(session);
      if (token === undefined || token === brought) return writeHead(...args);
      response.setHeader(this.#header, token);
      const cookie = this.#cookieWith(response, token);
      const headers = withCookie(args.at(-1), cookie);
      if (headers !== undefined) return writeHead(...args.slice(0, -1), headers);
      response.appendHeader('set-cookie', cookie);
      return writeHead(...args);
    };
  }

  #cookieWith(response: ServerResponse, token: string): string {
    const isEncrypted = response.req.socket !== null && 'encrypted' in response.req.socket;
    return stringifySetCookie(this.#cookie, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: isEncrypted,
    });
  }
}

/**
 * Headers as `writeHead` takes them, with one cookie more; undefined where they have none: those of the response
 * count then. A copy, since the caller may use the same ones for other answers.
 */
function withCookie(headers: unknown, cookie: string): unknown {
  if (typeof headers !== 'object' || headers === null) return undefined;
  if (Array.isArray(headers)) {
    // Names and values in turns; of a name that comes twice the last may count alone.
    const place = headers.findLastIndex((name, index) => index % 2 === 0 && isSetCookie(name));
    return place < 0 ? undefined : headers.with(place + 1, [headers[place + 1], cookie].flat());
  }
  const name = Object.keys(headers).find(isSetCookie);
  if (name === undefined) return undefined;
  return { ...headers, [name]: [(headers as Record<string, unknown>)[name], cookie].flat() };
}

function isSetCookie(name: unknown): boolean {
  return typeof name === 'string' && name.toLowerCase() === 'set-cookie';
}
