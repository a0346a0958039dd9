import type { Timer } from '../clock.js';
import type { NodeState, Topology } from '../topology/topology.js';
import type { EngineParts } from './engine.js';
import { HeldStandbys } from './held-standbys.js';
import type { StandbyReport } from './standby-report.js';

/** So long a replica may be without a receiver before it is looked at, and between two looks. */
const PATIENCE_MS = 1_000;
const AGAIN_MS = 5_000;

export type Tidying = 'nothing' | 'restore' | 'repoint';

/**
 * What is to be done with a replica while there is a primary. Pure.
 *
 * One that was sent away in a failover that came to nothing goes back to where it was; one that missed how it
 * ended, or was set up with a node that is out of service, goes to the primary of now.
 */
export function judgeLeftover(
  { isStandby, sent, receiver, origin }: StandbyReport,
  { primary, newestTimeline, nodes }: Topology,
): Tidying {
  if (!isStandby || primary === undefined) return 'nothing';
  if (sent?.timeline === newestTimeline) return 'restore';
  const follows = sent ? sent.to : origin;
  if (follows === primary) return 'nothing';
  const health = nodes.find(({ name }) => name === follows)?.health;
  if (receiver && health !== 'refused') return 'nothing';
  if (sent) return origin === primary ? 'restore' : 'repoint';
  return health === 'down' || health === 'refused' ? 'repoint' : 'nothing';
}

/** Undoes what contenders that died have left behind, and brings back replicas that missed a failover. */
export class Leftovers {
  readonly #parts: EngineParts;
  readonly #timers = new Map<string, Timer>();
  readonly #lookedAt = new Map<string, number>();
  readonly #held = new Set<HeldStandbys>();
  #isStopping = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  changed(next: Topology, previous: Topology): void {
    if (next.primary === undefined || this.#isStopping) return;
    const isBack = isPrimaryUp(next) && !isPrimaryUp(previous) && previous.version > 0;
    for (const node of next.nodes) if (isReplica(node) && (isBack || isAlone(node))) this.#plan(node.name);
  }

  stop(): void {
    this.#isStopping = true;
    for (const timer of this.#timers.values()) timer.cancel();
    for (const held of this.#held) held.destroy();
  }

  #plan(node: string): void {
    const { clock, random } = this.#parts;
    if (this.#timers.has(node)) return;
    const dueMs = Math.max(PATIENCE_MS, (this.#lookedAt.get(node) ?? -AGAIN_MS) + AGAIN_MS - clock.now());
    const look = () => {
      this.#lookedAt.set(node, clock.now());
      void this.#look(node).finally(() => this.#timers.delete(node));
    };
    this.#timers.set(node, clock.setTimer(look, dueMs * (1 + random()), true));
  }

  async #look(node: string): Promise<void> {
    const { monitor, journal } = this.#parts;
    if (monitor.topology.primary === undefined || this.#isStopping) return;
    const held = new HeldStandbys(this.#parts);
    this.#held.add(held);
    try {
      // A contender has the lock of what it is about to touch.
      if ((await held.lock([node])) !== undefined) return;
      // One that died a moment ago may have left a choice behind that must stand.
      const { primary = node } = monitor.topology;
      await monitor.probeAnew(primary);
      const [report] = await held.reports();
      const { topology } = monitor;
      const isUp = topology.nodes.find(({ name }) => name === primary)?.health === 'up';
      if (!report || topology.primary !== primary || !isUp) return;
      const tidying = judgeLeftover(report, topology);
      if (tidying === 'restore') {
        await held.each((session) => session.restore());
        journal.tell('backed-out', { node, detail: 'it follows again as before the failover' });
      } else if (tidying === 'repoint') {
        // As of no failover: it is no choice that anybody is to adopt.
        await held.each((session) => session.repoint(primary, 0, (slot) => this.#hasSlot(primary, slot)));
        journal.tell('others-repointed', { node: primary, detail: node });
      }
    } finally {
      await held.release();
      this.#held.delete(held);
    }
  }

  async #hasSlot(node: string, slot: string): Promise<boolean> {
    const held = new HeldStandbys(this.#parts);
    try {
      return await held.ask(node, (session) => session.hasSlot(slot));
    } finally {
      await held.release();
    }
  }
}

function isPrimaryUp({ primary, nodes }: Topology): boolean {
  return primary !== undefined && nodes.find(({ name }) => name === primary)?.health === 'up';
}

function isReplica({ health, facts }: NodeState): boolean {
  return health === 'up' && facts?.inRecovery === true;
}

function isAlone({ facts, probeEndedAt = 0, streamedAt = 0 }: NodeState): boolean {
  return facts?.receiver === 'none' && probeEndedAt - streamedAt > PATIENCE_MS;
}
