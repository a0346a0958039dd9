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
    return this.#cookieIn(headers);
  }

  #cookieIn({ cookie }: IncomingMessage['headers']): string | undefined {
    return cookie === undefined ? undefined : parseCookie(cookie)[this.#cookie];
  }

  /** Has the answer, whatever it is, bring the session's token where it says more than what the client brought. */
  tellIn(response: ServerResponse, session: Session, brought: string | undefined): void {
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
    response.writeHead = (...args: unknown[]) => {
      if (response.headersSent) return writeHead(...args);
      const token = this.#cluster.session.tokenOf(session);
      if (token !== undefined) {
        if (token === brought) return writeHead(...args);
        response.setHeader(this.#header, token);
        return writeHead(...this.#withCookie(response, token, args));
      }
      // What it brought counted for nothing: it need not be brought again.
      const isStale = brought !== undefined && brought === this.#cookieIn(response.req.headers);
      return writeHead(...(isStale ? this.#withCookie(response, undefined, args) : args));
    };
  }

  /** What to call `writeHead` with, for the client to keep that token, or none. */
  #withCookie(
    response: ServerResponse,
    token: string | undefined,
    args: readonly unknown[],
  ): readonly unknown[] {
    const isEncrypted = response.req.socket !== null && 'encrypted' in response.req.socket;
    const cookie = stringifySetCookie(this.#cookie, token ?? '', {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: isEncrypted,
      ...(token === undefined && { maxAge: 0 }),
    });
    // Cookies given to `writeHead` itself would take the place of all others.
    const headers = withCookie(args.at(-1), cookie);
    if (headers) return [...args.slice(0, -1), headers];
    response.appendHeader('set-cookie', cookie);
    return args;
  }
}

const isCookie = (name: unknown) => typeof name === 'string' && name.toLowerCase() === 'set-cookie';

/**
 * Headers as `writeHead` takes them, an object or a list of names and values, with one more cookie; undefined
 * where they hold none. Those given may be somebody's constant, and stay as they are.
 */
function withCookie(headers: unknown, cookie: string): object | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  if (Array.isArray(headers)) return withCookieInList(headers, cookie);
  const found = Object.entries(headers).find(([name]) => isCookie(name));
  return found && { ...headers, [found[0]]: [found[1], cookie].flat() };
}

/** All cookies become one entry: Node.js 20 takes only the last of several by one name. */
function withCookieInList(list: readonly unknown[], cookie: string): readonly unknown[] | undefined {
  const pairs = Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]] as const);
  const cookies = pairs.filter(([name]) => isCookie(name)).flatMap(([, value]) => value);
  if (cookies.length === 0) return undefined;
  return [...pairs.filter(([name]) => !isCookie(name)).flat(1), 'Set-Cookie', [...cookies, cookie]];
}
