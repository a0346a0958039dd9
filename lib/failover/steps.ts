import type { FailoverStep } from '../failover-event.js';
import { describeTrouble, nodeOf, type NodeState, type Topology } from '../topology/topology.js';
import type { StepFacts } from './journal.js';

export interface Step extends StepFacts {
  readonly step: FailoverStep;
}

/** What is to be told of a change of the topology, whoever brought it about. Pure. */
export function stepsBetween(previous: Topology, next: Topology): readonly Step[] {
  return [...lostOrFound(previous, next), ...next.nodes.flatMap((node) => keptOut(node, previous))];
}

function lostOrFound(previous: Topology, next: Topology): readonly Step[] {
  // What a switchover does is told by itself.
  if (next.isHeld || previous.isHeld) return [];
  if (previous.primary !== undefined && next.primary === undefined) {
    const { primary } = previous;
    const trouble = nodeOf(next, primary)?.trouble;
    return [
      {
        step: 'primary-lost',
        node: primary,
        detail: trouble ? describeTrouble(trouble) : 'it is no primary any more',
      },
    ];
  }
  if (next.primary === undefined || next.primary === previous.primary) return [];
  return [{ step: 'primary-found', node: next.primary, detail: `timeline ${next.newestTimeline}` }];
}

function keptOut(node: NodeState, previous: Topology): readonly Step[] {
  const before = nodeOf(previous, node.name)?.trouble?.kind;
  const { trouble } = node;
  if (trouble?.kind === before || !trouble) return [];
  const facts = { node: node.name, detail: describeTrouble(trouble) };
  if (trouble.kind === 'stale-primary' || trouble.kind === 'not-the-leader')
    return [{ step: 'node-quarantined', ...facts }];
  return trouble.kind === 'two-primaries' ? [{ step: 'split-brain', ...facts }] : [];
}
