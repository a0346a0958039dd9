import type { Clock } from '../clock.js';
import type { ClusterSettings, NodeSettings, Role } from '../config/settings.js';
import { describeError, isUnreachable } from '../errors.js';
import type { ConnectOptions, Driver } from '../pool/driver.js';
import type { KnownTexts } from '../pool/known-texts.js';
import { NodePool } from '../pool/node-pool.js';
import type { NodeObservation } from '../topology/observation.js';
import { describeTrouble, nodeOf, type NodeState, type Topology } from '../topology/topology.js';
import { poolConnectOptions } from './connect-options.js';

export interface PoolsParts {
  readonly settings: ClusterSettings;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: () => number;
  readonly texts: KnownTexts;
  topology(): Topology;
  report(observation: NodeObservation): void;
}

/** One pool a node, in step with what the node is. */
export function createPools(parts: PoolsParts): ReadonlyMap<string, NodePool> {
  return new Map(parts.settings.nodes.map((node) => [node.name, createPool(node, parts)]));
}

function createPool(node: NodeSettings, parts: PoolsParts): NodePool {
  const { settings, driver, clock, random } = parts;
  const reportFailure = (cause: unknown) => {
    // A server that answers and refuses is not unreachable: that is between it and the account.
    if (!isUnreachable(cause)) return;
    parts.report({
      kind: 'connection-failed',
      node: node.name,
      at: clock.now(),
      cause: describeError(cause),
    });
  };
  return new NodePool({
    node: node.name,
    settings: settings.pool,
    driver,
    clock,
    random,
    connectOptions: () => pooledConnectOptions(node, parts),
    listener: {
      lost: reportFailure,
      connectFailed: reportFailure,
      role: (inRecovery) =>
        parts.report({ kind: 'role-reported', node: node.name, at: clock.now(), inRecovery }),
    },
  });
}

/** The account and the mode follow the role that the node holds now. */
function pooledConnectOptions(node: NodeSettings, parts: PoolsParts): ConnectOptions {
  const state = nodeOf(parts.topology(), node.name);
  const role = state ? usedRole(state) : node.configuredRole;
  return { ...poolConnectOptions(node, role, parts.settings), texts: parts.texts };
}

/** Brings the pools in step with a new topology. */
export function followTopology(
  pools: ReadonlyMap<string, NodePool>,
  next: Topology,
  previous: Topology,
): void {
  for (const node of next.nodes) {
    const before = nodeOf(previous, node.name);
    const action = before && before !== node ? poolAction(before, node) : undefined;
    if (action === 'turn-away') pools.get(node.name)?.turnAway(new Error(`${node.name} is suspect`));
    if (action === 'retire') pools.get(node.name)?.retire();
    if (action === 'fence') {
      const reason = node.trouble ? describeTrouble(node.trouble) : 'it is out of service';
      pools.get(node.name)?.fence(new Error(`${node.name} ${node.health}: ${reason}`));
    }
  }
}

/**
 * What a change of a node means for its connections. `fence`: nothing may run there any more, and what
 * runs would hang or be lost. `retire`: account and mode follow the role, so new connections are needed.
 * `turn-away`: those who wait for a connection to a replica find a better one elsewhere.
 */
export function poolAction(
  previous: NodeState,
  next: NodeState,
): 'fence' | 'retire' | 'turn-away' | undefined {
  const isOut = (node: NodeState) => node.health === 'down' || node.health === 'refused';
  if (isOut(next) && !isOut(previous)) return 'fence';
  // Also while it is out: a server that comes back is connected to before a probe has judged it.
  if (usedRole(previous) !== usedRole(next)) return 'retire';
  if (hasMoved(previous, next)) return 'retire';
  const isShaken = previous.health === 'up' && next.health === 'suspect';
  return isShaken && next.role === 'replica' ? 'turn-away' : undefined;
}

/**
 * The name of a primary leads to another server than before, or that has started anew. What is open to the former one
 * may live on, and must not write there. A replica's name may well lead to several.
 */
function hasMoved(previous: NodeState, next: NodeState): boolean {
  const [before, now] = [previous.facts?.serverStartedAt, next.facts?.serverStartedAt];
  return usedRole(next) === 'primary' && before !== undefined && now !== undefined && before !== now;
}

/** One that was not seen yet is connected to as what it is configured to be. */
function usedRole({ role, settings }: NodeState): Role {
  return role === 'unknown' ? settings.configuredRole : role;
}
