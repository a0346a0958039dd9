import type { Clock } from '../clock.js';
import type { ClusterSettings, NodeSettings } from '../config/settings.js';
import type { ConnectOptions, Driver } from '../pool/driver.js';
import { fold, hold, release, type FoldLimits } from './fold.js';
import { isSameLeader, type Leader } from './leader.js';
import { NodeWatch } from './node-watch.js';
import type { NodeObservation, Observation } from './observation.js';
import { Prober } from './prober.js';
import { Sampler } from './sampler.js';
import { nodeOf, unseen, type Topology } from './topology.js';

/** How often every node is asked while somebody waits for a primary. */
const SEEKING_INTERVAL_MS = 100;
const JITTER = 0.1;
/** So old may the connection for probes be while its node is not what it should be. */
const RENEW_IN_TROUBLE_MS = 1_000;

export interface MonitorOptions {
  readonly settings: ClusterSettings;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: () => number;
  /** How the prober of a node connects. */
  readonly connectOptions: (node: NodeSettings) => ConnectOptions;
  readonly onChange: (topology: Topology, previous: Topology) => void;
}

/** Keeps the topology true: probes every node, each at its own pace, and takes in what the pools notice. */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #limits: FoldLimits;
  readonly #watches: ReadonlyMap<string, NodeWatch>;
  readonly #waiting = new Set<() => void>();
  /** Those who wait for a primary. */
  #seekers = 0;
  #topology: Topology;
  readonly #sampler: Sampler;
  #isStopped = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    const { settings, clock } = options;
    this.#topology = unseen(settings.nodes);
    this.#sampler = new Sampler(clock, () => this.#sample());
    const { maxRetryAttempts } = settings.failover;
    this.#limits = { ...settings.routing, maxRetryAttempts };
    this.#watches = new Map(settings.nodes.map((node) => [node.name, this.#watch(node)]));
  }

  /** Nothing more will be seen. */
  get isStopped(): boolean {
    return this.#isStopped;
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
    await Promise.all([...this.#watches.keys()].map((node) => this.probeAnew(node)));
    return this.#topology;
  }

  /** Goes on probing, each node at its interval, until `stop`. */
  start(): void {
    if (!this.#isStopped) for (const watch of this.#watches.values()) watch.start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#sampler.stop();
    for (const wake of this.#waiting) wake();
    await Promise.all([...this.#watches.values()].map((watch) => watch.stop()));
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
    void this.probeAnew(observation.node);
  }

  /** Somebody waits for a primary: until the returned function is called, every node is asked each 100 ms. */
  seek(): () => void {
    if (this.#seekers++ === 0) this.#hurry();
    return () => void this.#seekers--;
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
    if (!this.#isStopped) await this.#watches.get(node)?.probeAnew();
  }

  /** Probes one node; calls during a probe of it share that. */
  async probeNow(node: string): Promise<void> {
    if (!this.#isStopped) await this.#watches.get(node)?.probe();
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
    this.#move(fold(this.#topology, observation, this.#limits));
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
    for (const watch of this.#watches.values()) watch.hurry();
  }

  #watch(node: NodeSettings): NodeWatch {
    const { settings, clock, driver, connectOptions } = this.#options;
    const { name } = node;
    const { intervalMs, timeoutMs } = settings.healthCheck;
    const prober = new Prober(clock, driver, connectOptions(node), {
      timeoutMs,
      onLost: (cause) => this.report({ kind: 'connection-failed', node: name, at: clock.now(), cause }),
    });
    const hangsAfterMs = Math.min(settings.failover.retryDelayMs, intervalMs);
    return new NodeWatch({
      clock,
      prober,
      hangsAfterMs,
      paceMs: () => this.#paceOf(name),
      took: (observation) => {
        if (this.#isStopped) return;
        this.#take(observation);
        prober.renew(this.#isInTrouble(name) ? RENEW_IN_TROUBLE_MS : settings.pool.maxLifetimeMs);
      },
    });
  }

  #isInTrouble(node: string): boolean {
    return this.#topology.primary === undefined || nodeOf(this.#topology, node)?.health !== 'up';
  }

  #paceOf(node: string): number {
    const { settings, random } = this.#options;
    const { intervalMs } = settings.healthCheck;
    const urgentMs = this.#isInTrouble(node) ? settings.failover.retryDelayMs : intervalMs;
    const seekingMs = this.#seekers > 0 ? SEEKING_INTERVAL_MS : intervalMs;
    const spread = 1 + JITTER * (2 * random() - 1);
    return Math.min(intervalMs, urgentMs, seekingMs) * spread;
  }
}

function replayed(topology: Topology, node: string) {
  return nodeOf(topology, node)?.facts?.replayedLsn;
}
