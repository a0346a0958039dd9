import { NodeLoads } from '../../lib/balancing/node-loads.js';
import { pick } from '../../lib/balancing/pick.js';
import { warmth } from '../../lib/balancing/slow-start.js';
import type { Balance } from '../../lib/config/settings.js';
import { seeded } from '../support/seeded.js';

export interface SimulatedNode {
  readonly name: string;
  readonly weight?: number;
  readonly zone?: string;
  /** What a call takes that begins now, or that it fails after so long, or never ends. */
  behaviour: { readonly tookMs: number; readonly fails?: boolean } | 'hangs';
  returnedAt?: number;
}

interface Ending {
  readonly at: number;
  readonly node: string;
  readonly took: number;
  readonly fails: boolean;
}

/** Callers that each make one call after the other, in a time of their own, with a node chosen as the house does. */
export class Simulation {
  readonly loads = new NodeLoads();
  readonly #random: () => number;
  readonly #endings: Ending[] = [];
  #now = 0;
  #turn = 0;

  constructor(
    readonly nodes: readonly SimulatedNode[],
    callers: number,
    readonly options: { readonly balance?: Balance; readonly seed?: number; readonly zone?: string } = {},
  ) {
    this.#random = seeded(options.seed ?? 1);
    this.#idle = callers;
  }

  #idle: number;

  get now(): number {
    return this.#now;
  }

  /** Lets so much time pass and gives each node's share of the calls that began in it. */
  run(ms: number): Record<string, number> {
    const until = this.#now + ms;
    const began: Record<string, number> = Object.fromEntries(this.nodes.map(({ name }) => [name, 0]));
    for (;;) {
      for (; this.#idle > 0; this.#idle--) {
        const node = this.#begin();
        began[node] = (began[node] ?? 0) + 1;
      }
      const next = this.#endings[0];
      if (!next || next.at > until) break;
      this.#endings.shift();
      this.#end(next);
    }
    this.#now = until;
    const total = Object.values(began).reduce((sum, count) => sum + count, 0);
    return Object.fromEntries(Object.entries(began).map(([name, count]) => [name, count / total]));
  }

  #begin(): string {
    const { balance = 'least-loaded', zone } = this.options;
    const chance = { random: this.#random, nextTurn: () => this.#turn++ };
    const candidates = this.nodes.map((node) => ({
      node: node.name,
      weight: node.weight ?? 1,
      inFlight: this.loads.inFlight(node.name),
      latencyMs: this.loads.latencyMs(node.name),
      heldMs: this.loads.heldMs(node.name, this.#now),
      warmth: warmth(node.returnedAt, this.#now, 10_000),
      isNear: zone !== undefined && node.zone === zone,
      isGathering: false,
    }));
    const name = pick(candidates, balance, chance)?.node ?? '';
    this.loads.began(name, this.#now);
    const behaviour = this.nodes.find((node) => node.name === name)?.behaviour ?? 'hangs';
    if (behaviour === 'hangs') return name;
    // No two calls take the same time to the dot.
    const took = behaviour.tookMs * (0.5 + this.#random());
    this.#schedule({ at: this.#now + took, node: name, took, fails: behaviour.fails ?? false });
    return name;
  }

  #schedule(ending: Ending): void {
    const later = this.#endings.findIndex(({ at }) => at > ending.at);
    this.#endings.splice(later === -1 ? this.#endings.length : later, 0, ending);
  }

  #end({ at, node, took, fails }: Ending): void {
    this.#now = at;
    if (fails) this.loads.failed(node, at);
    else this.loads.answered(node, took, at);
    this.loads.ended(node);
    this.#idle++;
  }
}
