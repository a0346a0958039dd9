import { randomBytes } from 'node:crypto';
import { patiently, type Clock } from '../clock.js';
import type { SessionSettings } from '../config/settings.js';
import { RequestScope } from '../session/scope.js';
import { Session } from '../session/session.js';
import { TokenSigner } from '../session/token.js';
import type { Monitor } from '../topology/monitor.js';
import { nodeOf, type Topology } from '../topology/topology.js';
import { floorOf } from './demand.js';
import type { ScopedCalls } from './scoped-calls.js';
import type { IgnoredToken, Tally } from './tally.js';

/** How long a token waits for the primary to tell its position, before it does without. */
const PATIENCE_MS = 500;

export interface SessionsParts {
  readonly settings: SessionSettings;
  readonly clock: Clock;
  readonly monitor: Monitor;
  readonly calls: ScopedCalls;
  readonly tally: Tally;
}

/** Carries sessions from process to process, by tokens: `cluster.session`. */
export class Sessions {
  readonly #parts: SessionsParts;
  #signer: TokenSigner | undefined;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  /** Names of the HTTP header and cookie that carry the token. */
  get names(): Pick<SessionSettings, 'header' | 'cookie'> {
    // Not the settings themselves: they hold the secret, and names are for clients to know.
    const { header, cookie } = this.#parts.settings;
    return { header, cookie };
  }

  /** The session that calls here belong to. */
  get current(): Session {
    return this.#parts.calls.session;
  }

  /**
   * What another process needs to let its reads see what this session has written: for a job's payload, or a
   * message's metadata. Undefined where it has written nothing.
   */
  async token(): Promise<string | undefined> {
    const { session } = this.#parts.calls;
    await this.settle(session);
    return this.tokenOf(session);
  }

  /**
   * Runs a function in the session of a token; without one, in a fresh session. A token that is forged, of
   * another cluster, or of a timeline that the cluster has left counts for nothing, and is counted.
   */
  resume<T>(token: string | undefined, work: () => T): T {
    return this.#parts.calls.inSession(this.open(token), work);
  }

  /**
   * Runs a function in the session that is open here, which sees what the token tells of from then on. Where none
   * is, the function is a job with a session of its own: leases that it forgot come back at its end.
   */
  join<T>(token: string | undefined, work: () => T): T {
    const { calls } = this.#parts;
    if (calls.isInSession) {
      const { session } = calls;
      this.#tell(session, token);
      // Not only here and now: a generator may be read where no session is open, or another one.
      return calls.inSession(session, work);
    }
    const session = this.open(token);
    return calls.inJob(() => new RequestScope(session), work);
  }

  /** Runs a function in a scope that ends where its work does: a generator where it is read to its end, or left. */
  runAsJob<T>(request: RequestScope, work: () => T): T {
    return this.#parts.calls.inJob(() => request, work);
  }

  /** The session of a token, for who opens its scope by other means. */
  open(token: string | undefined): Session {
    const session = new Session();
    this.#tell(session, token);
    return session;
  }

  /** Has the session's reads see what the token tells of. What a payload has in its place may be anything. */
  #tell(session: Session, token: unknown): void {
    if (token === undefined || token === null || token === '') return;
    const found = typeof token === 'string' ? this.#signing().read(token) : undefined;
    const { clock, monitor, tally } = this.#parts;
    const ignored = found ? whyIgnored(found, monitor.topology) : 'invalid';
    if (!found || ignored) tally.ignoredToken(ignored ?? 'invalid');
    else {
      const { position } = session;
      // One of a newer timeline takes the place of what the session has, and may turn out to count for nothing.
      const takesPlace = position !== undefined && position.timeline < found.timeline;
      if (found.lsn === undefined || takesPlace) session.wrote(clock.now());
      // Without a position it tells of the timeline all the same.
      session.reached({ timeline: found.timeline, lsn: found.lsn ?? 0n });
    }
  }

  /** Waits, not long, for the position behind what the session has written. */
  async settle(session: Session): Promise<void> {
    const { monitor, clock } = this.#parts;
    const { primary } = monitor.topology;
    if (!session.isMarked || primary === undefined) return;
    if (floorOf(session, monitor.topology) !== 'unsampled') return;
    await patiently(clock, monitor.probeAnew(primary), PATIENCE_MS);
  }

  /** The session's token by what is known now: without a position it holds its readers to the primary for a moment. */
  tokenOf(session: Session): string | undefined {
    if (!session.isMarked) return undefined;
    const { topology } = this.#parts.monitor;
    const floor = floorOf(session, topology);
    const position = typeof floor === 'object' || floor === 'ahead' ? session.position : undefined;
    const { timeline, lsn } = position ?? { timeline: topology.newestTimeline, lsn: undefined };
    return this.#signing().sign({ systemId: topology.systemId ?? '', timeline, lsn });
  }

  #signing(): TokenSigner {
    if (this.#signer) return this.#signer;
    const { secret } = this.#parts.settings;
    if (secret === undefined) {
      process.emitWarning(
        'no session.secret and no PG_MCP_SESSION_SECRET: tokens of sessions are signed with a random one, and no other process takes them',
      );
    }
    this.#signer = new TokenSigner(secret?.() ?? randomBytes(32).toString('base64url'));
    return this.#signer;
  }
}

function whyIgnored(
  token: { readonly systemId: string; readonly timeline: number; readonly lsn: bigint | undefined },
  topology: Topology,
): IgnoredToken | undefined {
  if (token.systemId !== (topology.systemId ?? '')) return 'other-system';
  if (token.lsn === undefined || token.timeline >= topology.newestTimeline) return undefined;
  const primary = topology.primary === undefined ? undefined : nodeOf(topology, topology.primary);
  // What was written past the point where the timelines part is lost, and nothing will ever have it.
  const forkLsn = primary?.facts?.forkLsn;
  return forkLsn !== undefined && token.lsn > forkLsn ? 'forked' : undefined;
}
