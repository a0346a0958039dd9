import type { Lsn } from '../lsn.js';
import type { Intent } from '../routing/route.js';
import type { Stickiness } from '../session/scope.js';
import { nodeOf, type NodeState, type Topology } from '../topology/topology.js';

/** What a call asks for, with the memory of its scope. */
export type Demand = Intent & { readonly stickiness?: Stickiness };

/** What is asked for by one whose scope has read before: the same replica, or one that has seen as much. */
export function intentOf(demand: Demand, topology: Topology): Intent {
  if (demand.target === 'primary' || demand.stickiness?.node === undefined) return demand;
  const { node, atLeast } = demand.stickiness;
  const former = nodeOf(topology, node);
  const known = atLeast === undefined ? undefined : later(atLeast, former && positionOf(former));
  return { ...demand, stickTo: node, ...(known !== undefined && { atLeast: known }) };
}

/** The scope goes there from now on, with what it asks for while this call is under way too. */
export function stickTo(demand: Demand, node: NodeState): void {
  if (demand.target === 'replica' && demand.stickiness) demand.stickiness.node = node.name;
}

/** The scope reads there, and sees at least what the node was known to have. */
export function rememberRead(demand: Demand, node: NodeState): void {
  if (demand.target !== 'replica' || !demand.stickiness) return;
  demand.stickiness.atLeast = later(demand.stickiness.atLeast, positionOf(node));
}

function positionOf({ facts }: NodeState): Lsn | undefined {
  return facts?.replayedLsn ?? facts?.insertLsn;
}

function later(one: Lsn | undefined, other: Lsn | undefined): Lsn | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other > one ? other : one;
}
