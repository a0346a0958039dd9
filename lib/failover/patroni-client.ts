import type { Clock } from '../clock.js';
import type { PatroniSettings } from '../config/settings.js';
import { describeError, toError } from '../errors.js';
import { ask, NoAnswer, type HttpAnswer, type HttpRequest } from './http-request.js';
import { parseMembers, type PatroniMember } from './patroni-members.js';

type Question = Pick<HttpRequest, 'method' | 'body'> & { readonly path: string };

/** Patroni holds the answer to a switchover back until it is done, for up to 20 s. */
const SWITCHOVER_TIMEOUT_MS = 30_000;
const LONGEST_REASON = 300;

/** Patroni answered, and refused. */
export class PatroniRefusal extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(`${text.trim().slice(0, LONGEST_REASON)} (HTTP ${status})`);
  }
}

/** Patroni's REST API, by whichever of its endpoints answers: first the one that did so last. */
export class PatroniClient {
  readonly #settings: PatroniSettings;
  readonly #clock: Clock;
  /** The last good one first. */
  #urls: readonly URL[];

  constructor(settings: PatroniSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#urls = settings.urls.map((url) => new URL(url));
  }

  /**
   * The members as the store has them.
   *
   * @throws Error that says of each endpoint why it was of no use.
   */
  async cluster(signal: AbortSignal): Promise<readonly PatroniMember[]> {
    const reasons: string[] = [];
    for (const url of this.#urls) {
      try {
        const { status, text } = await this.#ask(url, { method: 'GET', path: 'cluster' }, signal);
        if (status !== 200) throw new PatroniRefusal(status, text);
        const members = parseMembers(JSON.parse(text));
        this.#prefer(url);
        return members;
      } catch (error) {
        if (signal.aborted) throw toError(signal.reason);
        reasons.push(`${url.host}: ${describeError(error)}`);
      }
    }
    throw new Error(reasons.join('; '));
  }

  /**
   * Whether that member holds the leader's lock and runs as the primary: its own word. Undefined where it can't be asked.
   */
  isPrimary(member: PatroniMember, signal: AbortSignal): Promise<boolean | undefined> {
    return this.#isTrue(member, 'primary', signal);
  }

  /** The same of a replica that runs and is at most so many bytes behind. */
  isReplica(member: PatroniMember, lagBytes: number, signal: AbortSignal): Promise<boolean | undefined> {
    return this.#isTrue(member, `replica?lag=${lagBytes}`, signal);
  }

  /**
   * Has the leader give way to the candidate, or to one that Patroni picks, and returns what Patroni says of it.
   *
   * @throws PatroniRefusal with its reason. NoAnswer where it can't be known whether it is done.
   */
  async switchover(
    leader: PatroniMember,
    candidate: PatroniMember | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const body = { leader: leader.name, ...(candidate && { candidate: candidate.name }) };
    // A replica's Patroni passes it on by the store, and the leader looks there once a loop.
    const own = this.#endpointOf(leader);
    const urls = own ? [own, ...this.#urls.filter((url) => url !== own)] : this.#urls;
    const question = { method: 'POST', path: 'switchover', body } as const;
    const reasons: string[] = [];
    for (const url of urls) {
      try {
        const { status, text } = await this.#ask(url, question, signal, SWITCHOVER_TIMEOUT_MS);
        if (status !== 200 && status !== 202) throw new PatroniRefusal(status, text);
        return text.trim();
      } catch (error) {
        if (signal.aborted) throw toError(signal.reason);
        if (!(error instanceof NoAnswer) || error.isSent) throw error;
        reasons.push(`${url.host}: ${describeError(error)}`);
      }
    }
    throw new Error(reasons.join('; '));
  }

  async #isTrue(member: PatroniMember, path: string, signal: AbortSignal): Promise<boolean | undefined> {
    const url = this.#endpointOf(member);
    const answer = url && (await this.#ask(url, { method: 'GET', path }, signal).catch(() => undefined));
    return answer && answer.status === 200;
  }

  /** Of the configured ones, since the others get no password. */
  #endpointOf({ apiUrl }: PatroniMember): URL | undefined {
    if (apiUrl === undefined || !URL.canParse(apiUrl)) return undefined;
    const { host } = new URL(apiUrl);
    return this.#urls.find((url) => url.host === host);
  }

  #prefer(url: URL): void {
    if (this.#urls[0] !== url) this.#urls = [url, ...this.#urls.filter((other) => other !== url)];
  }

  async #ask(
    endpoint: URL,
    { path, ...question }: Question,
    signal: AbortSignal,
    timeoutMs = this.#settings.timeoutMs,
  ): Promise<HttpAnswer> {
    const { account, ssl } = this.#settings;
    const { hostname: host, port } = endpoint;
    const password = account && (await account.password?.({ host, port: Number(port), user: account.user }));
    return ask(this.#clock, {
      ...question,
      url: new URL(path, endpoint.href.replace(/\/?$/, '/')),
      tls: ssl.options(),
      ...(account && { auth: `${account.user}:${password ?? ''}` }),
      timeoutMs,
      signal,
    });
  }
}
