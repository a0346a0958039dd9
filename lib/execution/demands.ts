import type { Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { parseDuration } from '../duration.js';
import { CONSISTENCIES, type Consistency, type Statement } from '../query.js';
import type { StatementClass } from '../routing/statement/statement-class.js';
import type { ReplicaOptions, Scope } from '../session/scope.js';
import type { Session } from '../session/session.js';
import type { Demand, PrimaryDemand } from './demand.js';
import type { KeptTexts } from './kept-texts.js';
import { refuseWrite, sessionStatement } from './refusals.js';
import type { ShadowCount } from './shadow-report.js';

export interface DemandsParts {
  readonly settings: Pick<ClusterSettings, 'routing' | 'consistency'>;
  readonly clock: Clock;
  readonly keptTexts: KeptTexts;
  readonly shadow: ShadowCount;
}

/** Says what a call asks for: by its scope, else by its statement. */
export class Demands {
  readonly #parts: DemandsParts;

  constructor(parts: DemandsParts) {
    this.#parts = parts;
  }

  /** Whether what nothing decorates may read from replicas. */
  get readsFromReplicas(): boolean {
    const { routing, consistency } = this.#parts.settings;
    return routing.default === 'auto' && routing.mode === 'live' && consistency !== 'strong';
  }

  /**
   * Of one statement outside any transaction or held connection.
   *
   * @throws PgMcpError `SESSION_STATEMENT` for what needs a connection of its own; `WRITE_ON_REPLICA` for what
   * surely writes in a replica scope.
   */
  ofStatement(scope: Scope, session: Session, statement: Statement, found: StatementClass): Demand {
    if (found.kind === 'session') throw sessionStatement(found);
    const consistency = consistencyOf(statement.consistency);
    if (scope.route === 'primary') return primary('use-master', session, found);
    if (scope.route === undefined) return this.#ofUndecorated(session, statement.text, found, consistency);
    refuseWrite(found);
    return this.#ofReplicaScope(scope, session, found.kind === 'read', consistency);
  }

  /** Of a connection for several statements: a lease, a held one, a transaction. */
  ofConnection(scope: Scope, session: Session, route: 'primary' | 'replica'): Demand {
    return route === 'replica'
      ? this.#ofReplicaScope(scope, session, false, undefined)
      : { target: 'primary', reason: 'use-master' };
  }

  /** Of a transaction that only reads, and that nothing decorates. */
  ofUndecoratedReads(session: Session): Demand {
    return this.#ofRead(session, this.#parts.settings.consistency);
  }

  /** Whether reads on a connection that is held must have what their session has written. */
  isBound({ replica }: Scope): boolean {
    return (replica?.consistency ?? this.#parts.settings.consistency) === 'session';
  }

  #ofUndecorated(session: Session, text: string, found: Unpinned, given: Consistency | undefined): Demand {
    const { settings, clock, keptTexts, shadow } = this.#parts;
    const { routing } = settings;
    const isShadow = routing.default === 'auto' && routing.mode === 'shadow';
    if (isShadow) shadow.saw(text, found);
    if (found.kind !== 'read') return primary(found.reason, session, found);
    if (routing.default === 'primary' || isShadow)
      return primary(isShadow ? 'shadow' : 'undecorated', session, found);
    const consistency = given ?? settings.consistency;
    if (consistency === 'strong') return primary('strong', session, found);
    const kept = keptTexts.reasonFor(text, clock.now());
    if (kept !== undefined) return primary(kept, session, found);
    return this.#ofRead(session, consistency);
  }

  #ofRead(session: Session, consistency: Consistency): Demand {
    return {
      target: 'replica',
      reason: 'read',
      onUnavailable: 'primary',
      stickiness: session.reads,
      session,
      isBound: consistency === 'session',
      isVouched: true,
    };
  }

  #ofReplicaScope(
    { replica, stickiness }: Scope,
    session: Session,
    isVouched: boolean,
    given: Consistency | undefined,
  ): Demand {
    const consistency = given ?? replica?.consistency ?? this.#parts.settings.consistency;
    if (consistency === 'strong') return { target: 'primary', reason: 'strong', mustNotWrite: !isVouched };
    return {
      target: 'replica',
      reason: 'use-replica',
      onUnavailable: replica?.onUnavailable ?? 'primary',
      maxLagMs: replica?.maxLag === undefined ? undefined : parseDuration(replica.maxLag),
      stickiness,
      session,
      isBound: consistency === 'session',
      isVouched,
    };
  }
}

/** What needs no connection of its own. */
type Unpinned = Exclude<StatementClass, { kind: 'session' }>;

function primary(reason: PrimaryDemand['reason'], session: Session, found: Unpinned): PrimaryDemand {
  return mayWrite(found) ? { target: 'primary', reason, marks: session } : { target: 'primary', reason };
}

/** Whether a session's later reads must see what a statement of that class has done on the primary. */
export function mayWrite(found: StatementClass): boolean {
  if (found.kind !== 'session') return found.kind === 'primary' && found.writes;
  return found.writes === true || (found.reason !== 'setting' && found.reason !== 'listen');
}

/** @throws TypeError that names the option. */
export function checkReplicaOptions({ maxLag, onUnavailable, consistency }: ReplicaOptions): void {
  if (maxLag !== undefined && parseDuration(maxLag) === undefined) {
    throw new TypeError(
      `maxLag: no duration: ${JSON.stringify(maxLag)} (expected like '500ms', '2s', or seconds)`,
    );
  }
  if (onUnavailable !== undefined && !['primary', 'wait', 'fail'].includes(onUnavailable)) {
    throw new TypeError(
      `onUnavailable: ${JSON.stringify(onUnavailable)} is none of 'primary', 'wait', 'fail'`,
    );
  }
  consistencyOf(consistency);
}

function consistencyOf(given: Consistency | undefined): Consistency | undefined {
  if (given === undefined || CONSISTENCIES.includes(given)) return given;
  throw new TypeError(`consistency: ${JSON.stringify(given)} is none of 'session', 'eventual', 'strong'`);
}
