import type { Clock, Timer } from '../clock.js';
import type { ClusterSettings, NodeSettings } from '../config/settings.js';
import type { ConnectOptions, Driver } from '../pool/driver.js';
import { fold, hold, release } from './fold.js';
import { isSameLeader, type Leader } from './leader.js';
import type { NodeObservation, Observation } from './observation.js';
import { Prober } from './prober.js';
import { Sampler } from './sampler.js';
import { nodeOf, unseen, type Topology } from './topology.js';

/** How often a node in trouble is asked, and every node while there is no primary. */
const URGENT_INTERVAL_MS = 250;
const JITTER = 0.1;

export interface MonitorOptions {
  readonly settings: ClusterSettings;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: () => number;
  /** How the prober of a node connects. */
  readonly connectOptions: (node: NodeSettings) => ConnectOptions;
  readonly onChange: (topology: Topology, previous: Topology) => void;
}

interface Watch {
  readonly prober: Prober;
  timer: Timer | undefined;
  /** The probe under way. */
  round: Promise<void> | undefined;
}

/** Keeps the topology true: probes every node, each at its own pace, and takes in what the pools notice. */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #watches: ReadonlyMap<string, Watch>;
  readonly #waiting = new Set<() => void>();
  #topology: Topology;
  readonly #sampler: Sampler;
  #isStopped = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    const { settings, clock, driver } = options;
    this.#topology = unseen(settings.nodes);
    this.#sampler = new Sampler(clock, () => this.#sample());
    this.#watches = new Map(
      settings.nodes.map((node) => {
        const { name } = node;
        const prober = new Prober(clock, driver, options.connectOptions(node), {
          timeoutMs: settings.healthCheck.timeoutMs,
          onLost: (cause) => this.report({ kind: 'connection-failed', node: name, at: clock.now(), cause }),
        });
        return [name, { prober, timer: undefined, round: undefined }];
      }),
    );
  }

  get topology(): Topology {
    return this.#topology;
  }

  /** Probes every node now and resolves once all have answered or failed. */
  async probeAll(): Promise<Topology> {
    await Promise.all([...this.#watches.keys()].map((node) => this.probeNow(node)));
    return this.#topology;
  }

  /** The same, but with probes that begin after the call: what happened before it is seen. */
  async probeAllAnew(): Promise<Topology> {
    await Promise.all([...this.#watches.values()].map(async ({ round }) => round));
    return this.probeAll();
  }

  /** Goes on probing, each node at its interval, until `stop`. */
  start(): void {
    for (const node of this.#watches.keys()) this.#schedule(node);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#sampler.stop();
    for (const watch of this.#watches.values()) watch.timer?.cancel();
    for (const wake of this.#waiting) wake();
    await Promise.all([...this.#watches.values()].map((watch) => watch.prober.stop()));
  }

  /** Takes in what was seen elsewhere. Anything that is news of a node has it probed at once. */
  report(observation: NodeObservation): void {
    if (this.#isStopped) return;
    const node = nodeOf(this.#topology, observation.node);
    const isNews =
      observation.kind === 'role-reported'
        ? node?.facts !== undefined && node.facts.inRecovery !== observation.inRecovery
        : node?.failures === 0;
    if (!isNews) return;
    this.#take(observation);
    void this.probeNow(observation.node);
  }

  /** Takes in who leads, by a consensus store; undefined where that can't be known. Has a leader that is news probed at once. */
  tellLeader(leader: Leader | undefined): void {
    if (this.#isStopped || isSameLeader(leader, this.#topology.leader)) return;
    this.#take({ kind: 'leader-told', node: leader?.node, at: this.#options.clock.now(), leader });
    if (leader) void this.probeAnew(leader.node);
  }

  /** Resolves with the first topology that `suits`, now or within the time; else with undefined. */
  until(suits: (topology: Topology) => boolean, timeoutMs: number): Promise<Topology | undefined> {
    if (suits(this.#topology)) return Promise.resolve(this.#topology);
    if (this.#isStopped) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const settle = (topology: Topology | undefined) => {
        this.#waiting.delete(look);
        timeout.cancel();
        resolve(topology);
      };
      const look = () => {
        if (suits(this.#topology)) settle(this.#topology);
        else if (this.#isStopped) settle(undefined);
      };
      const timeout = this.#options.clock.setTimer(() => settle(undefined), timeoutMs);
      this.#waiting.add(look);
    });
  }

  /**
   * Has the nodes that are up tell their positions, within 20 ms; calls meanwhile share that, and where they bring
   * nothing new they wait longer.
   */
  sampleSoon(isNews = false): void {
    this.#sampler.wanted(isNews);
  }

  /** Probes one node by a probe that begins after the call. */
  async probeAnew(node: string): Promise<void> {
    await this.#watches.get(node)?.round;
    await this.probeNow(node);
  }

  /** Probes one node; calls during a probe of it share that. */
  async probeNow(node: string): Promise<void> {
    const watch = this.#watches.get(node);
    if (!watch || this.#isStopped) return;
    watch.round ??= this.#probe(node, watch).finally(() => (watch.round = undefined));
    await watch.round;
  }

  async #probe(node: string, watch: Watch): Promise<void> {
    const observation = await watch.prober.probe();
    if (this.#isStopped) return;
    this.#take(observation);
    if (watch.timer) this.#schedule(node);
  }

  /** The primary first: what a replica says then may have what the primary has said. */
  async #sample(): Promise<boolean> {
    const before = this.#topology;
    const { nodes, primary } = before;
    const names = nodes.filter(({ health }) => health === 'up').map(({ name }) => name);
    if (primary !== undefined && names.includes(primary)) await this.probeAnew(primary);
    const replicas = names.filter((name) => name !== primary);
    // One that hangs must not keep the others' positions from being seen.
    if (replicas.length > 0) await Promise.race(replicas.map((name) => this.probeNow(name)));
    return replicas.some((name) => replayed(this.#topology, name) !== replayed(before, name));
  }

  /** Nobody gets the primary until `release`. */
  hold(): void {
    this.#move(hold(this.#topology));
  }

  /**
   * Resolves when every node was asked, so that the primary of the moment is known.
   *
   * @param promoted Is asked first: the old primary must not be taken for it again.
   */
  async release(promoted?: string): Promise<void> {
    if (promoted !== undefined) await this.probeAnew(promoted);
    if (this.#topology.isHeld) this.#move(release(this.#topology));
    await this.probeAllAnew();
  }

  #take(observation: Observation): void {
    this.#move(fold(this.#topology, observation, this.#options.settings.routing));
  }

  #move(next: Topology): void {
    const previous = this.#topology;
    this.#topology = next;
    // Whoever takes over is found by asking the others, and not when their turn would have come.
    if (previous.primary !== undefined && this.#topology.primary === undefined) this.#hurry();
    this.#options.onChange(this.#topology, previous);
    for (const look of this.#waiting) look();
  }

  #hurry(): void {
    for (const [node, watch] of this.#watches) if (watch.timer) this.#schedule(node);
  }

  #schedule(node: string): void {
    const watch = this.#watches.get(node);
    if (!watch || this.#isStopped) return;
    watch.timer?.cancel();
    const { intervalMs } = this.#options.settings.healthCheck;
    const health = nodeOf(this.#topology, node)?.health;
    const isUrgent = health !== 'up' || this.#topology.primary === undefined;
    const interval = isUrgent ? Math.min(URGENT_INTERVAL_MS, intervalMs) : intervalMs;
    const spread = 1 + JITTER * (2 * this.#options.random() - 1);
    watch.timer = this.#options.clock.setTimer(() => void this.probeNow(node), interval * spread, true);
  }
}

function replayed(topology: Topology, node: string) {
  return nodeOf(topology, node)?.facts?.replayedLsn;
}
