import type { FailoverStep } from '../failover-event.js';
import { describeTrouble, nodeOf, rivalsIn, type NodeState, type Topology } from '../topology/topology.js';
import type { StepFacts } from './journal.js';

export interface Step extends StepFacts {
  readonly step: FailoverStep;
}

/** What is to be told of a change of the topology, whoever brought it about. Pure. */
export function stepsBetween(previous: Topology, next: Topology): readonly Step[] {
  return [
    ...wentBack(previous, next),
    ...lostOrFound(previous, next),
    ...split(previous, next),
    ...next.nodes.flatMap((node) => keptOut(node, previous)),
  ];
}

/** The newest timeline is the highest ever seen, unless the standbys have gone back to a lower one. A leader tells it itself. */
function wentBack(previous: Topology, next: Topology): readonly Step[] {
  if (next.newestTimeline >= previous.newestTimeline || next.primary === undefined) return [];
  if (next.leader?.overrules === true) return [];
  const detail = `timeline ${next.newestTimeline}, though ${previous.newestTimeline} was seen: most standbys stream from it`;
  return [{ step: 'lower-timeline-accepted', node: next.primary, detail }];
}

function split(previous: Topology, next: Topology): readonly Step[] {
  const isClaimed = ({ nodes }: Topology) => nodes.some(({ trouble }) => trouble?.kind === 'two-primaries');
  if (isClaimed(previous) && !isClaimed(next)) {
    const { primary } = next;
    return [{ step: 'split-brain-resolved', ...(primary !== undefined && { node: primary }) }];
  }
  const rivals = rivalsIn(next);
  if (rivals.length === 0 || isClaimed(previous)) return [];
  const names = rivals.map(({ name }) => name).join(' and ');
  return [{ step: 'split-brain', detail: `${names} are writable on timeline ${next.newestTimeline}` }];
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
  const isKeptOut =
    trouble.kind === 'stale-primary' || trouble.kind === 'overruled' || trouble.kind === 'not-the-leader';
  return isKeptOut ? [{ step: 'node-quarantined', node: node.name, detail: describeTrouble(trouble) }] : [];
}
