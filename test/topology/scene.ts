import type { NodeSettings, Role } from '../../lib/config/settings.js';
import { fold, type FoldLimits } from '../../lib/topology/fold.js';
import type { NodeFacts, Observation } from '../../lib/topology/observation.js';
import { nodeOf, unseen, type NodeState, type Topology } from '../../lib/topology/topology.js';

export const SYSTEM = '7000000000000000001';
export const LIMITS: FoldLimits = { maxLagMs: 10_000, maxLagBytes: 1_000, maxRetryAttempts: 3 };

export function nodeSettings(name: string, configuredRole: Role = 'replica'): NodeSettings {
  const account = { user: 'app', password: () => 'secret' };
  return {
    name,
    host: name,
    port: 5432,
    database: 'app',
    configuredRole,
    accounts: { primary: account, replica: account },
    ssl: false,
    weight: 1,
  };
}

/** A primary `a` and replicas `b` and `c`, unless others are named; the first is the master. */
export function settingsOf(...names: string[]): NodeSettings[] {
  const [first = 'a', ...others] = names.length > 0 ? names : ['a', 'b', 'c'];
  return [nodeSettings(first, 'primary'), ...others.map((name) => nodeSettings(name))];
}

export function primaryFacts(lsn: number, changes: Partial<NodeFacts> = {}): NodeFacts {
  return { inRecovery: false, systemId: SYSTEM, timeline: 1, insertLsn: BigInt(lsn), ...changes };
}

export function replicaFacts(lsn: number, changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    inRecovery: true,
    systemId: SYSTEM,
    timeline: 1,
    receivedLsn: BigInt(lsn),
    replayedLsn: BigInt(lsn),
    isReplayPaused: false,
    receiver: 'streaming',
    ...changes,
  };
}

/** A topology with hands: each call folds one observation in, at a time in seconds. */
export class Scene {
  topology: Topology;
  #at = 0;

  constructor(
    settings: readonly NodeSettings[] = settingsOf(),
    readonly limits: FoldLimits = LIMITS,
  ) {
    this.topology = unseen(settings);
  }

  at(seconds: number): this {
    this.#at = seconds * 1_000;
    return this;
  }

  probed(node: string, facts: NodeFacts): this {
    return this.see({ kind: 'probed', node, startedAt: this.#at, endedAt: this.#at, facts });
  }

  primary(node: string, lsn: number, changes?: Partial<NodeFacts>): this {
    return this.probed(node, primaryFacts(lsn, changes));
  }

  replica(node: string, lsn: number, changes?: Partial<NodeFacts>): this {
    return this.probed(node, replicaFacts(lsn, changes));
  }

  failed(node: string, times = 1): this {
    for (let count = 0; count < times; count++)
      this.see({
        kind: 'probe-failed',
        node,
        startedAt: this.#at,
        at: this.#at,
        cause: 'connection refused',
      });
    return this;
  }

  broke(node: string): this {
    return this.see({ kind: 'connection-failed', node, at: this.#at, cause: 'reset by peer' });
  }

  reported(node: string, inRecovery: boolean): this {
    return this.see({ kind: 'role-reported', node, at: this.#at, inRecovery });
  }

  see(observation: Observation): this {
    this.topology = fold(this.topology, observation, this.limits);
    return this;
  }

  node(name: string): NodeState {
    const node = nodeOf(this.topology, name);
    if (!node) throw new Error(`no node ${name}`);
    return node;
  }

  /** `a primary up, b replica down unreachable`, for comparison at a glance. */
  get view(): Record<string, string> {
    const entries = this.topology.nodes.map(({ name, role, health, trouble }) => [
      name,
      [role, health, trouble?.kind].filter(Boolean).join(' '),
    ]);
    return Object.fromEntries(entries) as Record<string, string>;
  }
}
