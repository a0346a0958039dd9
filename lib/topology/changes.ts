import type { Role } from '../config/settings.js';
import { describeTrouble, nodeOf, type Health, type Topology } from './topology.js';

/** What became of one node between two topologies. */
export interface NodeChange {
  readonly node: string;
  readonly role: Role | 'unknown';
  readonly health: Health;
  readonly isLagging: boolean;
  readonly previous: {
    readonly role: Role | 'unknown';
    readonly health: Health;
    readonly isLagging: boolean;
  };
  /** Why it is not up. */
  readonly reason?: string;
}

/** The nodes whose role, health or lagging changed: what an operator would want to read. */
export function changesBetween(previous: Topology, next: Topology): readonly NodeChange[] {
  return next.nodes.flatMap((node) => {
    const before = nodeOf(previous, node.name);
    const { role, health, isLagging, trouble } = node;
    if (!before || (before.role === role && before.health === health && before.isLagging === isLagging))
      return [];
    return [
      {
        node: node.name,
        role,
        health,
        isLagging,
        previous: { role: before.role, health: before.health, isLagging: before.isLagging },
        ...(trouble && health !== 'up' && { reason: describeTrouble(trouble) }),
      },
    ];
  });
}
