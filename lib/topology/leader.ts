import type { NodeState } from './topology.js';

/** Who leads, as the store of a consensus has it. */
export interface Leader {
  readonly node: string;
  /** The one it was last said to be on, which trails a promotion. */
  readonly timeline?: number;
  /** It leads although a higher timeline was seen: it said so itself, when that had been seen already. */
  readonly overrules: boolean;
}

export function isSameLeader(one: Leader | undefined, other: Leader | undefined): boolean {
  return (
    one?.node === other?.node && one?.timeline === other?.timeline && one?.overrules === other?.overrules
  );
}

/** The timeline that counts as the newest because its leader overrules a higher one. */
export function overrulingTimeline(
  nodes: readonly NodeState[],
  leader: Leader | undefined,
): number | undefined {
  if (!leader?.overrules) return undefined;
  const facts = nodes.find(({ name }) => name === leader.node)?.facts;
  return facts?.inRecovery ? undefined : facts?.timeline;
}

/**
 * Whether another node leads this one's timeline, or a newer one. A node that is ahead of the leader has been promoted
 * since: then what was told of the leader is old.
 */
export function isLedElsewhere({ name, facts }: NodeState, leader: Leader | undefined): leader is Leader {
  if (!leader || leader.node === name || facts?.timeline === undefined) return false;
  return leader.overrules || (leader.timeline !== undefined && facts.timeline <= leader.timeline);
}
